"""What places are drawn from: points, cells, masks and subsets, each with an explicit generator."""

from hardattn.distributions.places import (
    Categorical as Categorical,
    Delta as Delta,
    Dirichlet as Dirichlet,
    Gaussian as Gaussian,
    IndependentBernoulli as IndependentBernoulli,
    LocationDistribution as LocationDistribution,
    Product as Product,
    Stop as Stop,
    Uniform as Uniform,
    full as full,
)
