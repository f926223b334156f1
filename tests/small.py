"""The smallest instance of every model class, and one more for each option that is another way through its code.

Contracts are tested on these, in seconds. A class without an instance here is tested on its smallest system: a new
system needs no line in this file.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genstudio.checkpoint import shell
from genstudio.controls import Text
from genstudio.layers.image_to_image import MirroredResNetGenerator, UNet
from genstudio.layers.palette import FACADES
from genstudio.layers.progressive import Critic, DenseCritic, DenseGenerator, Generator
from genstudio.model import Companions, Model
from genstudio.models.autoencoder import AutoEncoder, DenoisingAutoEncoder, Regression
from genstudio.models.biggan import BigGAN, biggan, biggan_of_bottlenecks
from genstudio.models.classifier import AttributeClassifier, Classifier
from genstudio.models.cyclegan import CycleGAN
from genstudio.models.diffusion import Diffusion
from genstudio.models.flow import RealNVP, SelfNormalizingFlow
from genstudio.models.flow_vae import FlowVAE
from genstudio.models.gan import CGAN, DCGAN
from genstudio.models.pix2pix import Pix2Pix
from genstudio.models.prior import GPT, BottomPixelCNN, FacesGPT, FacesMaskGIT, FacesPixelCNN, PixelCNN
from genstudio.models.progressive import MSGGAN, ProGAN
from genstudio.models.restoration import Colorizer, Denoiser, SuperResolution
from genstudio.models.segmentation import Segmenter
from genstudio.models.sparse import KLSparseAutoEncoder, KSparseAutoEncoder, LinearAutoEncoder
from genstudio.models.stylegan2 import StyleGAN2
from genstudio.models.vae import VAE, BetaVAE
from genstudio.models.vqvae import VQVAE, VQVAE2
from genstudio.registry import build, systems
from genstudio.system import Recipe, System, system

CLASSES = ("a", "b", "c")
RECIPE = Recipe(images=80, batch=8)
GREY, COLOUR = (1, 16, 16), (3, 16, 16)


def small(data: str = "mnist", **facts):
    return system(title=Text("Small", "Petit"), data=data, recipe=RECIPE, **facts)


# Codes


@small()
def small_autoencoder() -> AutoEncoder:
    return AutoEncoder(GREY, latent_dim=2, widths=(8, 16))


@small()
def small_vae() -> VAE:
    """A Gaussian likelihood, and pictures that are not square."""
    return VAE((1, 16, 12), latent_dim=4, widths=(8, 16))


@small()
def small_vae_of_classes() -> VAE:
    return VAE(GREY, latent_dim=4, widths=(8, 16), likelihood="bernoulli", components=len(CLASSES))


@small()
def small_dense_vae() -> VAE:
    return VAE((1, 8, 8), latent_dim=4, likelihood="bernoulli", dense=16)


@small()
def small_beta_vae() -> BetaVAE:
    return BetaVAE((1, 8, 8), latent_dim=2, hidden=(16,))


@small()
def small_dense_autoencoder() -> AutoEncoder:
    return AutoEncoder((1, 8, 8), latent_dim=4, hidden=(16, 8))


@small()
def small_denoising_autoencoder() -> DenoisingAutoEncoder:
    return DenoisingAutoEncoder((1, 8, 8), latent_dim=4, hidden=(16,))


@small()
def small_regression() -> Regression:
    return Regression((1, 8, 8), latent_dim=4, hidden=(16,))


@small()
def small_overcomplete() -> LinearAutoEncoder:
    return LinearAutoEncoder((1, 8, 8), units=80)


@small()
def small_ksparse() -> KSparseAutoEncoder:
    """As many units as its control goes to."""
    return KSparseAutoEncoder((1, 8, 8), units=1000, active=25)


@small()
def small_kl_sparse() -> KLSparseAutoEncoder:
    return KLSparseAutoEncoder((1, 8, 8), units=40)


# Flows


@small()
def small_realnvp() -> RealNVP:
    """Pictures that are not square."""
    return RealNVP((1, 16, 12), width=8, each=2)


@small()
def small_selfnorm() -> SelfNormalizingFlow:
    return SelfNormalizingFlow((1, 8, 8), depth=2)


@small()
def small_flow_vae() -> FlowVAE:
    return FlowVAE((1, 16, 12), "orthogonal", "levels", latent_dim=8, width=4, hidden=16, flows=2, vectors=4)


@small()
def small_flow_vae_of_bits() -> FlowVAE:
    return FlowVAE(GREY, "triangular", latent_dim=4, width=4, hidden=16, flows=2, kl_warmup=100)


@small()
def small_flow_vae_of_reflections() -> FlowVAE:
    return FlowVAE(GREY, "householder", latent_dim=4, width=4, hidden=16, flows=2, vectors=2)


@small()
def small_planar_flow_vae() -> FlowVAE:
    return FlowVAE(GREY, "planar", latent_dim=4, width=4, hidden=16, flows=2)


# Games


@small()
def small_dcgan() -> DCGAN:
    return DCGAN(COLOUR, latent_dim=8, widths=(16, 8))


@small()
def small_cgan() -> CGAN:
    return CGAN(GREY, len(CLASSES), latent_dim=8, embedding=4, widths=(16, 8))


@small()
def small_biggan() -> BigGAN:
    return biggan(COLOUR, len(CLASSES), widths=(16, 16, 16), chunk=4, embedding=8, attention_resolution=8)


@small()
def small_biggan_deep() -> BigGAN:
    doubles = (False, True, False, True)
    return biggan_of_bottlenecks((32, 32, 32, 32, 16), doubles, latent_dim=8, classes=len(CLASSES), embedding=8, attention_position=3, rows=5)


@small()
def small_stylegan2() -> StyleGAN2:
    return StyleGAN2(COLOUR, widths=(16, 16, 8), styles=16, depth=2, classes=len(CLASSES), ada=0.6)


@small()
def small_stylegan2_without_classes() -> StyleGAN2:
    return StyleGAN2(COLOUR, widths=(16, 16, 8), styles=16, depth=2)


@small()
def small_stylegan2_original() -> StyleGAN2:
    """The authors' network, with codes of another size than styles."""
    return StyleGAN2(COLOUR, widths=(16, 16, 8), styles=16, depth=2, z_dim=8, ada=0.6, original=True)


@small()
def small_stylegan() -> StyleGAN2:
    return StyleGAN2(COLOUR, widths=(16, 16, 8), styles=16, depth=2, classes=len(CLASSES), ada=0.6, adain=True)


@small()
def small_progan() -> ProGAN:
    return ProGAN(COLOUR, 8, widths=(16, 16, 8), phase=20)


@small()
def small_msggan() -> MSGGAN:
    return MSGGAN(COLOUR, 8, Generator(3, 8, (16, 16, 8)), Critic(3, (16, 16, 8)), levels=3, gamma=0.2)


@small()
def small_dense_msggan() -> MSGGAN:
    return MSGGAN(GREY, 8, DenseGenerator(GREY, 8, 16, 2), DenseCritic(GREY, 16, 2), levels=2)


# Diffusion


@small(companions={"judge": "small_classifier"})
def small_diffusion() -> Diffusion:
    return Diffusion(COLOUR, widths=(8, 16), blocks=1, attention=(1,), classes=len(CLASSES), groups=4)


@small()
def small_diffusion_without_classes() -> Diffusion:
    """With 2x2 pixels folded into channels, and a learned variance."""
    return Diffusion(GREY, widths=(8, 16), blocks=1, attention=(1,), groups=4, fold=2, learned_variance=True)


# Tokens

SMALL_PRIOR = {"vocabulary": 16, "width": 16, "depth": 2}


@small()
def small_vqvae() -> VQVAE:
    return VQVAE(GREY, widths=(8, 16), codes=16, dim=8)


@small()
def small_vqvae_with_a_critic() -> VQVAE:
    return VQVAE(GREY, widths=(8, 16), codes=16, dim=8, sharpen=1.0, critic_widths=(8, 8))


@small()
def small_vqvae2() -> VQVAE2:
    return VQVAE2(GREY, widths=(8, 16), codes=16, dim=8)


@small(companions={"tokenizer": "small_vqvae"})
def small_gpt() -> GPT:
    return GPT(GREY, (4, 4), heads=2, **SMALL_PRIOR)


@small(companions={"tokenizer": "small_vqvae"})
def small_gpt_of_faces() -> FacesGPT:
    return FacesGPT(GREY, (4, 4), heads=2, **SMALL_PRIOR)


@small(companions={"tokenizer": "small_vqvae"})
def small_maskgit() -> FacesMaskGIT:
    return FacesMaskGIT(GREY, (4, 4), heads=2, **SMALL_PRIOR)


@small(companions={"tokenizer": "small_vqvae"})
def small_pixelcnn() -> FacesPixelCNN:
    return FacesPixelCNN(GREY, (4, 4), **SMALL_PRIOR)


@small(companions={"tokenizer": "small_vqvae2"})
def small_top_pixelcnn() -> PixelCNN:
    return PixelCNN(GREY, (2, 2), **SMALL_PRIOR)


@small(companions={"tokenizer": "small_vqvae2", "top": "small_top_pixelcnn"})
def small_bottom_pixelcnn() -> BottomPixelCNN:
    return BottomPixelCNN(GREY, (4, 4), **SMALL_PRIOR)


# Classifiers


@small()
def small_classifier() -> Classifier:
    return Classifier(COLOUR, len(CLASSES), widths=(8, 16))


@small()
def small_classifier_with_an_attribute() -> Classifier:
    return Classifier(COLOUR, len(CLASSES), widths=(8, 16), attributes=("glasses",))


@small()
def small_classifier_of_mixtures() -> Classifier:
    return Classifier(COLOUR, len(CLASSES), widths=(8, 16), halve="pool", dropout=0.1, mixed=0.5, blended=0.7)


@small()
def small_attribute_classifier() -> AttributeClassifier:
    return AttributeClassifier(COLOUR, {"glasses": (), "hair_color": ("black", "red")}, widths=(8, 16))


# Translators


@small("emoji_lines")
def small_pix2pix() -> Pix2Pix:
    return Pix2Pix(COLOUR, widths=(8, 16), critic_widths=(8, 8))


@small("emoji_lines")
def small_pix2pix_of_lines() -> Pix2Pix:
    """From line drawings, redrawn in training, with a spectrally normalized critic."""
    generator = UNet(1, 3, (8, 16), detail=8)
    return Pix2Pix(COLOUR, critic_widths=(8, 8), generator=generator, strokes=6, critic_norm="spectral")


@small("emoji_lines")
def small_resnet() -> Pix2Pix:
    return Pix2Pix(COLOUR, critic_widths=(8, 8), generator=MirroredResNetGenerator(3, 3, width=4, blocks=1))


@small("emoji_lines")
def small_resnet_of_grey() -> Pix2Pix:
    """From one channel to one, of bounded reach."""
    generator = MirroredResNetGenerator(1, 1, width=4, blocks=1, norm="batch")
    return Pix2Pix(COLOUR, critic_widths=(8, 8), generator=generator)


@small("facades")
def small_pix2pix_of_labels() -> Pix2Pix:
    """From label pictures, and without the L1 loss."""
    return Pix2Pix(COLOUR, widths=(8, 16), critic_widths=(8, 8), weight=0.0, palette=FACADES)


@small("facades")
def small_pix2pix_without_a_critic() -> Pix2Pix:
    return Pix2Pix(COLOUR, widths=(8, 16), adversarial=0.0, palette=FACADES)


@small("facade_labels")
def small_segmenter() -> Segmenter:
    return Segmenter(COLOUR, widths=(8, 16), palette=FACADES)


@small("faces_glasses_unpaired")
def small_cyclegan() -> CycleGAN:
    return CycleGAN(COLOUR, width=4, blocks=1, critic_widths=(8, 8), folded=True)


@small("cifar10")
def small_denoiser() -> Denoiser:
    return Denoiser(COLOUR, width=8, blocks=1)


@small("cifar10")
def small_superresolution() -> SuperResolution:
    return SuperResolution(COLOUR, width=8, blocks=1)


@small("cifar10")
def small_colorizer() -> Colorizer:
    return Colorizer(COLOUR, widths=(8, 16))


def smallest() -> dict[type[Model], System]:
    """The system of each class that has the fewest parameters."""
    by_size = sorted(systems().values(), key=lambda entry: -parameters(entry))
    return {entry.model: entry for entry in by_size}


def parameters(entry: System) -> int:
    return sum(p.numel() for p in shell(entry, {}).parameters())


def instances() -> dict[str, System]:
    """Those above, and the smallest system of each class that has none."""
    declared = (getattr(build, "system", None) for build in globals().values())
    found = {entry.name: entry for entry in declared if isinstance(entry, System)}
    known = {entry.model for entry in found.values()}
    return found | {entry.name: entry for model, entry in SMALLEST.items() if model not in known}


SMALLEST = smallest()
INSTANCES = instances()


def built(entry: System) -> Model:
    """The model with random weights, and so the companions that it is trained with."""
    known = systems() | INSTANCES
    companions = {role: built(known[entry.companions[role]]).eval() for role in entry.model.trained_with}
    return build(entry, {}, Companions(companions))


def awake(entry: System) -> Model:
    """The model with random weights of a usual size in place of zeros and of very small ones: as it is born, it may
    draw nothing, or change nothing, and so hide the effect of a control."""
    torch.manual_seed(0)
    model = built(entry).eval().requires_grad_(False)
    for weights in model.parameters():
        if weights.dim() > 1:
            weights.normal_(0, max(weights.std(correction=0).item(), (2 / weights[0].numel()) ** 0.5))
        elif not weights.any():
            weights.normal_(0, 0.5)
    return model


def conditions(model: Model, count: int) -> dict[str, Tensor]:
    """Made-up conditions of pictures, (count,), for every attribute that the model tells."""
    numbers = torch.arange(count)
    return {name: numbers % len(values) if values else numbers % 2 == 0 for name, values in model.attributes.items()}
