"""The learned prior of natural motion: a latent diffusion model over spectral volumes."""

from photoflow.models.spectral.prior import Guidance, SpectralPrior

__all__ = ["Guidance", "SpectralPrior"]
