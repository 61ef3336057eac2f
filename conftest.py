import hardattn  # noqa: F401  makes an uninstalled checkout work, and comes before torch
