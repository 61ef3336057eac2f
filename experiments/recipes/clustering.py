"""Recipes that learn from no label."""

from hardattn.training.options import TrainOptions

from ..recipe import ProblemOptions, Recipe, Spec

CLUSTERING: dict[str, Recipe] = {
    "gat-cluster-digits": Recipe(
        title="GATCluster",
        about=(
            "GATCluster (Niu et al. 2020): ten clusters by Gaussian attention, without a label in "
            "training or in choosing weights. Error is one minus the accuracy under the best "
            "matching of clusters with classes. Digits doubled to 16x16, anywhere on a blank 24x24 "
            "canvas."
        ),
        problem=ProblemOptions(
            scene=Spec("translated", canvas=24, zoom=2),
            sensor=Spec("whole"),
            looks=1,
            first="centre",
            task="cluster",
            test_draws=4,
        ),
        agent=Spec("gat_cluster"),
        estimator=Spec("gat_cluster"),
        training=TrainOptions(
            images=256_000,
            batch_size=256,
            lr=3e-3,
            warmup=0,
            validate_every=64_000,
            keep="last",
        ),
    ),
}
