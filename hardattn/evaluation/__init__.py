"""One evaluation for every agent: columns of a pass over scenes, and the metrics of them."""
