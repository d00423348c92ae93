"""The generator as it runs: the prediction only, with the arithmetic of ``remover.ctrnet.network`` rearranged.

Spectral norms are divided out once, branches that the prediction does not need are gone, and SPADE's convolution on
an enlarged layout is done on the small one. None of it changes the result beyond rounding.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from remover.ctrnet.network import (
    LGCM,
    SLOPE,
    SPADE,
    Generator,
    SpadeBlock,
    divide_out_spectral_norms,
    encode_position,
    finish,
)
from remover.ctrnet.products import Scratch
from remover.ctrnet.resizing import DoublingConvolution, HalvingConvolution
from remover.ctrnet.winograd import WinogradConv2d


class InferenceGenerator(nn.Module):
    """A trained generator's prediction, (B, 3, H, W) RGB in (0, 1); the generator itself is left alone.

    In evaluation mode, without gradients; float32 until ``to`` says otherwise.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.config = generator.config
        folded: Any = deepcopy(generator).eval().requires_grad_(False)
        divide_out_spectral_norms(folded)
        self.coarse_gen = folded.coarse_gen
        for name, child in self.coarse_gen.named_children():
            if name.startswith("lateral_connection"):
                child[2] = _one_after_another(child[2], child[3])
                del child[3]
        texture = folded.texture_generator
        self.blocks = nn.ModuleList(InferenceLGCM(block) for block in texture.middle)
        del texture.middle
        if generator.config.auxiliary_heads:
            del texture.feature_mapping, texture.prejection_head1, texture.prejection_head2
        texture.dc3[1] = RowsConvolution(texture.dc3[1])
        self.texture = texture
        self.eval()

    def forward(
        self, image: Tensor, mask: Tensor, soft_mask: Tensor, structure: Tensor, prefill: Tensor | None = None
    ) -> Tensor:
        """As ``Generator.forward``; returns its ``prediction``.

        A prefill stays float32 whatever the network computes in, so that the prediction has all its bits.
        """
        coarse = self.coarse_gen(structure, soft_mask)
        texture = self.texture
        seen = image if prefill is None else torch.cat((image, prefill.to(image.dtype)), 1)
        s1 = texture.ec1(torch.cat((seen, coarse, soft_mask), 1))
        s2 = texture.ec2(texture.encoder_conv1(texture.res1(s1)))
        f = texture.encoder_conv2(texture.res2(s2))
        layout = texture.encode_context(seen, mask)
        position = encode_position(f.shape[2] // 4, f.shape[3] // 4, texture.width, f.device).to(f.dtype)
        for block in self.blocks:
            f = block(f, layout, position)
        d3 = texture.dc2_conv(texture.dc1(torch.cat((texture.dc1_conv(f), texture.lc6(s2)), 1)))
        d4 = texture.dc2(torch.cat((d3, texture.lc7(s1)), 1))
        return finish(texture.dc3(d4), prefill, False)


class InferenceLGCM(nn.Module):
    """An LGCM block without its dead branch, and with SPADEs that share what they read from the layout."""

    def __init__(self, block: LGCM) -> None:
        super().__init__()
        self.spade = InferenceSpadeBlock(block.spade)
        for name, child in block.named_children():
            if name not in ("spade", "lc2"):
                self.add_module(name, child)

    def forward(self, f: Tensor, layout: Tensor, position: Tensor) -> Tensor:
        """As ``LGCM.forward``."""
        t = LGCM.attend(self, f, position)  # type: ignore[arg-type]
        return self.spade(f, layout).add_(t)


class InferenceSpadeBlock(nn.Module):
    """A SpadeBlock whose two SPADEs read the layout at its own size, together."""

    def __init__(self, block: SpadeBlock) -> None:
        super().__init__()
        first, second = block.conv_block[0], block.conv_block[4]
        assert isinstance(first, SPADE) and isinstance(second, SPADE)
        enlarged = enlarged_convolution([*first.mlp_shared, *second.mlp_shared])
        self.shared: nn.Module = nn.Sequential(enlarged, nn.ReLU(inplace=True))
        self.modulations = nn.ModuleList(Modulation(spade) for spade in (first, second))
        self.convolutions = nn.ModuleList(nn.Sequential(*block.conv_block[k : k + 2]) for k in (2, 6))

    def forward(self, x: Tensor, layout: Tensor) -> Tensor:
        """As ``SpadeBlock.forward``."""
        h = x
        halves = self.shared(layout).chunk(2, dim=1)
        for half, modulation, convolution in zip(halves, self.modulations, self.convolutions, strict=True):
            h = convolution(modulation(half.contiguous(memory_format=torch.channels_last), h))
        return h.add_(x)


class Modulation(nn.Module):
    """What SPADE does to an image after it has read the layout, and the ReLU that follows."""

    def __init__(self, spade: SPADE) -> None:
        super().__init__()
        both = _side_by_side(spade.mlp_gamma, spade.mlp_beta)
        assert both.bias is not None
        both.bias[: spade.mlp_gamma.out_channels] += 1  # SPADE scales by 1 + gamma
        self.convolution: nn.Conv2d | WinogradConv2d = both

    def forward(self, shared: Tensor, x: Tensor) -> Tensor:
        """``x`` (B, C, H, W), ``shared`` (B, L / 2, H, W); returns the shape of ``x``."""
        if isinstance(self.convolution, WinogradConv2d):
            return self.convolution(shared, x)
        scale, shift = self.convolution(shared).chunk(2, dim=1)
        return functional.relu(torch.addcmul(shift, normalize_instance(x), scale), inplace=True)


def normalize_instance(x: Tensor) -> Tensor:
    """Instance norm. Of a single image that is a batch norm, which torch does with channels last."""
    if x.shape[0] == 1 and not torch.compiler.is_exporting():
        return functional.batch_norm(x, None, None, training=True)
    return functional.instance_norm(x)


class RowsConvolution(nn.Module):
    """A convolution with few outputs, as one of single columns whose shifted outputs are summed.

    The same products; but 21 outputs at a time fill a processor's registers where three do not.
    """

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__()
        c_out, c_in, height, width = plain.weight.shape
        self.c_out, self.width = c_out, width
        self.columns = nn.Conv2d(c_in, c_out * width, (height, 1), bias=False).requires_grad_(False)
        self.columns.weight.copy_(plain.weight.permute(3, 0, 1, 2).reshape(c_out * width, c_in, height, 1))
        self.bias = plain.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H', W') float32, no padding."""
        parts = self.columns(x)
        # whole planes add up four times as fast as three channels out of 21; a matrix turns three times as fast
        if parts.shape[0] == 1 and not torch.compiler.is_exporting():
            parts = parts[0].permute(1, 2, 0).flatten(0, 1).t().contiguous().view(parts.shape)
        else:
            parts = parts.contiguous()
        length = x.shape[3] - self.width + 1
        assert self.bias is not None
        # the last sums of all: in bfloat16, half a grey level is lost
        total = parts[:, : self.c_out, :, :length].float() + self.bias[:, None, None]
        for k in range(1, self.width):
            total += parts[:, k * self.c_out : (k + 1) * self.c_out, :, k : k + length]
        return total


def enlarged_convolution(convolutions: list[Any]) -> nn.ConvTranspose2d:
    """One layer that does what 3 x 3 convolutions do to an image enlarged by repeating every pixel twice.

    That is a transposed convolution of the small image by a kernel of 4 x 4, stride 2, padding 1, whose taps are sums
    of the small kernel's: 16 products a pixel of the small image in place of 36. The outputs lie side by side.
    """
    kernel = torch.cat([convolution.weight for convolution in convolutions]).double()
    # along one axis, tap a of the four is the sum of taps 2 - a and 3 - a of the three, where there are such
    sums = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.float64, device=kernel.device)
    taps = torch.einsum("ay,oiyx,bx->ioab", sums, kernel, sums)
    layer = nn.ConvTranspose2d(kernel.shape[1], kernel.shape[0], 4, 2, 1).requires_grad_(False)
    layer.weight.copy_(taps)
    assert layer.bias is not None
    layer.bias.copy_(_biases(convolutions))
    return layer


def _one_after_another(first: nn.Conv2d, pointwise: nn.Conv2d) -> nn.Conv2d:
    """One convolution for two with nothing between them, the second of 1 x 1."""
    mixing = pointwise.weight[:, :, 0, 0].double()
    layer = nn.Conv2d(first.in_channels, pointwise.out_channels, 3, 1, 1)
    assert first.kernel_size == (3, 3) and first.padding == (1, 1)
    assert first.bias is not None and pointwise.bias is not None and layer.bias is not None
    layer.requires_grad_(False).weight.copy_(torch.einsum("om,miyx->oiyx", mixing, first.weight.double()))
    layer.bias.copy_(mixing @ first.bias.double() + pointwise.bias)
    return layer


def use_fewer_products(network: InferenceGenerator, dtype: torch.dtype) -> None:
    """Use the algorithms with fewer multiplications, where they pay: on a CPU, in ``dtype``. In place."""
    use_winograd(network, dtype)
    if dtype == torch.bfloat16:
        use_resizing(network)


def use_winograd(network: InferenceGenerator, dtype: torch.dtype) -> None:
    """Let Winograd's algorithm do the 3 x 3 convolutions that cost most: on a CPU, in ``dtype``. In place.

    Not those of small images, which gain little, as its kernels take 16/9 to 4 times the memory.
    """
    scratch = Scratch()
    texture: Any = network.texture
    blocks: Any = network.blocks
    in_blocks = [part for block in blocks for part in (block.spade, block.res1)]
    for part in (*in_blocks, texture.res1, texture.res2, *texture.feature_recon):
        _use_winograd(part, dtype, scratch)
    for name in ("encoder_conv2", "dc1_conv"):
        setattr(texture, name, WinogradConv2d(getattr(texture, name), scratch, dtype))


def use_resizing(network: InferenceGenerator) -> None:
    """Let the 4 x 4 convolutions of stride 2 be done with fewer products, where it pays: on a CPU, in bfloat16.

    In place. Those of large images with few channels gain nothing.
    """
    scratch = Scratch()
    blocks: Any = network.blocks
    texture: Any = network.texture
    for part in (texture, *blocks):
        for name in ("dc1", "dc2"):
            setattr(part, name, DoublingConvolution(getattr(part, name).conv2d, scratch, SLOPE))
    for block in blocks:
        enlarged, _ = block.spade.shared.children()
        block.spade.shared = DoublingConvolution(enlarged, scratch, 0.0)
        for name in ("ec1", "ec2"):
            setattr(block, name, HalvingConvolution(getattr(block, name).conv2d, scratch, SLOPE))
    for name in ("encoder_conv3_sm", "encoder_conv4_sm"):
        setattr(texture, name, HalvingConvolution(getattr(texture, name), scratch, 1.0))


def _use_winograd(module: nn.Module, dtype: torch.dtype, scratch: Scratch) -> None:
    for child in list(module.modules()):
        if isinstance(child, nn.Sequential):
            _mirror_with_winograd(child, dtype, scratch)
        elif isinstance(child, Modulation):
            assert isinstance(child.convolution, nn.Conv2d)
            child.convolution = WinogradConv2d(child.convolution, scratch, dtype, slope=0.0)


def _mirror_with_winograd(layers: nn.Sequential, dtype: torch.dtype, scratch: Scratch) -> None:
    """Make padding by reflection, the convolution and the ReLU that may follow one layer. In place."""
    for k in range(len(layers) - 1):
        pad, plain = layers[k], layers[k + 1]
        if isinstance(pad, nn.ReflectionPad2d) and isinstance(plain, nn.Conv2d):
            activated = k + 2 < len(layers) and isinstance(layers[k + 2], nn.ReLU)
            layers[k] = WinogradConv2d(plain, scratch, dtype, mirrored=True, slope=0.0 if activated else 1.0)
            layers[k + 1] = nn.Identity()
            if activated:
                layers[k + 2] = nn.Identity()


def _side_by_side(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """One 3 x 3 convolution for two of the same input, their outputs one after another."""
    layer = nn.Conv2d(first.in_channels, first.out_channels + second.out_channels, 3, 1, 1).requires_grad_(False)
    layer.weight.copy_(torch.cat((first.weight, second.weight)))
    assert layer.bias is not None
    layer.bias.copy_(_biases([first, second]))
    return layer


def _biases(convolutions: list[Any]) -> Tensor:
    return torch.cat([convolution.bias for convolution in convolutions if convolution.bias is not None])
