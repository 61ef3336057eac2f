"""Drawing of looks and maps, for TensorBoard, environments and the report alike."""
