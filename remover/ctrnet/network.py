"""CTRNet's generator, layer for layer, under the names of the published checkpoint.

Liu et al.: "Don't Forget Me: Accurate Background Recovery for Text Removal via Modeling Local-Global Context", ECCV
2022. A structure generator predicts the text-free structure; a texture generator encodes the image with it, and eight
local-global content modelling (LGCM) blocks, each conditioned on features of the context, recover what is behind the
text. This is the network as it is trained; ``remover.ctrnet.inference`` runs the same arithmetic faster.

Sizes in docstrings are those of the default configuration and an input of 512 x 512. Weights drawn at random are
torch's own; tensors are float32, (B, C, H, W). A mask is 1 where there is text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 32  # sides of an input are multiples of this: the structure generator halves five times
SLOPE = 0.2  # of leaky ReLUs after spectral convolutions


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """How large the network is; the defaults are the published one.

    ``base_width`` is the texture generator's channels at half resolution; four times as many are what the context
    branch, SPADE and the transformer layers work on. ``structure_width`` is the same for the structure generator.
    ``rdbs`` residual dense blocks of ``rdb_layers`` layers, each adding ``growth`` channels, read the context.

    ``spectral_norm`` divides most weights by their largest singular value; ``auxiliary_heads`` adds what only training
    looks at (the images at a quarter and at half the size, the context feature) and the branches that nothing looks at;
    ``dropout`` lets the transformer layers forget a tenth while they are trained. With ``prefill`` the network is also
    given the image as a plain fill leaves it, and predicts what to add to it: nothing, before it is trained.
    Raises ValueError for sizes that make no network.
    """

    base_width: int = 64
    lgcm_blocks: int = 8
    rdbs: int = 16
    growth: int = 32
    rdb_layers: int = 6
    structure_width: int = 32
    attention_heads: int = 8
    feature_channels: int = 152
    spectral_norm: bool = True
    auxiliary_heads: bool = True
    dropout: bool = True
    prefill: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "bool":
                if not isinstance(value, bool):
                    raise ValueError(f"{field.name} {value!r} must be true or false")
            elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{field.name} {value!r} must be a whole number of at least 1")
        if self.base_width % 2 or self.width % self.attention_heads:
            raise ValueError(f"base_width {self.base_width} must be even, and 4 x it divide by {self.attention_heads}")

    @property
    def width(self) -> int:
        """Channels of the context, SPADE and transformer layers."""
        return 4 * self.base_width


# CTRNet for documents: see ``remover.ctrnet.documents`` for what it is given
DOCUMENTS = GeneratorConfig(
    base_width=16,
    lgcm_blocks=2,
    rdbs=3,
    growth=16,
    structure_width=8,
    spectral_norm=False,
    auxiliary_heads=False,
    dropout=False,
    prefill=True,
)


class Prediction(NamedTuple):
    """What the generator returns, (B, C, H', W') each.

    ``coarse`` (3, H) is the structure without text, unbounded above; ``out1`` (3, H / 4), ``out2`` (3, H / 2) and
    ``prediction`` (3, H) are RGB in (0, 1); ``context_feature`` (152, H / 8) predicts a recognition network's features.
    Without auxiliary heads those three are None. With a pre-filled image the prediction is in [0, 1], except while
    training: what a clamp cuts off could not be learned from.
    """

    coarse: Tensor
    out1: Tensor | None
    out2: Tensor | None
    prediction: Tensor
    context_feature: Tensor | None


class SpectralNorm(nn.Module):
    """A weight divided by its largest singular value, estimated by power iteration (Miyato et al., ICLR 2018).

    Holds ``weight_orig``, ``weight_u``, ``weight_v`` and a ``bias`` or None. In training every forward pass first takes
    one step of the iteration; in evaluation u and v are used as they are stored.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, plain: nn.Conv2d | nn.ConvTranspose2d, output_axis: int) -> None:
        super().__init__()
        self.output_axis = output_axis
        self.weight_orig = nn.Parameter(plain.weight.detach())
        self.bias = None if plain.bias is None else nn.Parameter(plain.bias.detach())
        self.register_buffer("weight_u", functional.normalize(torch.randn(self._matrix().shape[0]), dim=0, eps=1e-12))
        self.register_buffer("weight_v", torch.zeros(self._matrix().shape[1]))
        for _ in range(15):  # random vectors would say next to nothing of the largest singular value
            self._iterate()

    def weight(self) -> Tensor:
        """The normalized weight, in the shape of ``weight_orig``."""
        if self.training:
            self._iterate()
        # copies, as the next pass changes the buffers in place before this one's gradients are taken
        sigma = torch.dot(self.weight_u.clone(), self._matrix() @ self.weight_v.clone())
        return self.weight_orig / sigma

    @torch.no_grad()
    def _iterate(self) -> None:
        matrix = self._matrix()
        self.weight_v.copy_(functional.normalize(matrix.T @ self.weight_u, dim=0, eps=1e-12))
        self.weight_u.copy_(functional.normalize(matrix @ self.weight_v, dim=0, eps=1e-12))

    def _matrix(self) -> Tensor:
        """(output channels, all else)."""
        return self.weight_orig.transpose(0, self.output_axis).flatten(1)


class SpectralConv2d(SpectralNorm):
    """A spectrally normalized convolution, zero padding."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__(nn.Conv2d(c_in, c_out, kernel, bias=bias), 0)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H', W')."""
        return functional.conv2d(x, self.weight(), self.bias, self.stride, self.padding)


class SpectralConvTranspose2d(SpectralNorm):
    """A spectrally normalized transposed convolution of stride 2."""

    def __init__(self, c_in: int, c_out: int, kernel: int, output_padding: int) -> None:
        super().__init__(nn.ConvTranspose2d(c_in, c_out, kernel), 1)
        self.output_padding = output_padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, 2 H, 2 W)."""
        return functional.conv_transpose2d(x, self.weight(), self.bias, 2, 1, self.output_padding)


class SNConv(nn.Module):
    """Spectral convolution and leaky ReLU; skip connections start after the latter."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv2d = SpectralConv2d(c_in, c_out, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H', W')."""
        return functional.leaky_relu(self.conv2d(x), SLOPE, inplace=True)


class SNDeconv(nn.Module):
    """Spectral transposed convolution, which doubles the sides, and leaky ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int, output_padding: int = 0) -> None:
        super().__init__()
        self.conv2d = SpectralConvTranspose2d(c_in, c_out, kernel, output_padding)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, 2 H, 2 W)."""
        return functional.leaky_relu(self.conv2d(x), SLOPE, inplace=True)


class ResBlock(nn.Module):
    """x + two reflection-padded 3 x 3 convolutions with a ReLU between; ``hidden`` channels inside."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, hidden, 3),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(hidden, channels, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.conv_block(x)


class Lateral(nn.Module):
    """Three spectral convolutions on a skip connection, through half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.con1 = SNConv(channels, channels // 2, 3, 1, 1)
        self.con2 = SNConv(channels // 2, channels // 2, 3, 1, 1)
        self.con3 = SNConv(channels // 2, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return self.con3(self.con2(self.con1(x)))


class DownBlock(nn.Module):
    """A residual block of the structure generator, batch norm after the sum; halves the sides unless ``same``."""

    def __init__(self, c_in: int, c_out: int, same: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_in, 3, 1 if same else 2, 1)
        self.conv2 = nn.Conv2d(c_in, c_out, 3, 1, 1)
        self.conv3 = None if same else nn.Conv2d(c_in, c_out, 1, 2)
        self.batch_norm2d = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H, W), or half of H and W."""
        h = self.conv2(functional.relu(self.conv1(x), inplace=True))
        return functional.relu(self.batch_norm2d(h + (x if self.conv3 is None else self.conv3(x))))


class StructureGenerator(nn.Module):
    """The structure behind the text, (B, 3, 512, 512), from the structure with it and the soft mask.

    ``residual``: the structure that is given has been pre-filled, and what is predicted is added to it.
    """

    def __init__(self, width: int, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        w1, w2, w4, w8, w16 = (width * 2**power for power in range(5))
        self.conv1, self.conva = SNConv(4, w1, 4, 2, 1), SNConv(w1, w1, 3, 1, 1)
        self.convb, self.res1 = SNConv(w1, w2, 4, 2, 1), DownBlock(w2, w2, True)
        self.res2, self.res3 = DownBlock(w2, w2, True), DownBlock(w2, w4, False)
        self.res4, self.res5 = DownBlock(w4, w4, True), DownBlock(w4, w8, False)
        self.res6, self.res7 = DownBlock(w8, w8, True), DownBlock(w8, w16, False)
        self.res8, self.conv2 = DownBlock(w16, w16, True), SNConv(w16, w16, 1)
        self.deconv1 = SNDeconv(w16, w8, 3, 1)
        self.deconv2 = SNDeconv(2 * w8, w4, 3, 1)
        self.deconv3 = SNDeconv(2 * w4, w2, 3, 1)
        self.deconv4 = SNDeconv(2 * w2, w1, 3, 1)
        self.deconv5 = SNDeconv(2 * w1, 3, 3, 1)
        self.lateral_connection1, self.lateral_connection2 = self._lateral(w8), self._lateral(w4)
        self.lateral_connection3, self.lateral_connection4 = self._lateral(w2), self._lateral(w1)

    @staticmethod
    def _lateral(n: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(n, n, 1), nn.Conv2d(n, 2 * n, 3, 1, 1), nn.Conv2d(2 * n, 2 * n, 3, 1, 1), nn.Conv2d(2 * n, n, 1)
        )

    def forward(self, structure: Tensor, soft_mask: Tensor) -> Tensor:
        """``structure`` (B, 3, 512, 512) and ``soft_mask`` (B, 1, 512, 512) to (B, 3, 512, 512)."""
        c1 = self.conva(self.conv1(torch.cat((structure, soft_mask), 1)))  # 256 px
        c2 = self.res1(self.convb(c1))  # 128 px
        c3 = self.res3(self.res2(c2))  # 64 px
        c4 = self.res5(self.res4(c3))  # 32 px
        y = self.deconv1(self.conv2(self.res8(self.res7(self.res6(c4)))))  # from 16 px
        y = self.deconv2(torch.cat((self.lateral_connection1(c4), y), 1))
        y = self.deconv3(torch.cat((self.lateral_connection2(c3), y), 1))
        y = self.deconv4(torch.cat((self.lateral_connection3(c2), y), 1))
        y = torch.cat((self.lateral_connection4(c1), y), 1)
        # what is added may be negative: no leaky ReLU then
        return structure + self.deconv5.conv2d(y) if self.residual else self.deconv5(y)


class DenseLayer(nn.Module):
    """Appends ``growth`` channels to its input."""

    def __init__(self, c_in: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, growth, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C + growth, H, W)."""
        return torch.cat((x, functional.relu(self.conv(x), inplace=True)), 1)


class RDB(nn.Module):
    """A residual dense block (Zhang et al., CVPR 2018)."""

    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseLayer(channels + growth * i, growth) for i in range(layers)))
        self.lff = nn.Conv2d(channels + growth * layers, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.lff(self.layers(x))


class SPADE(nn.Module):
    """Instance norm whose scale and shift come from a layout, enlarged to the input's size by repeating pixels."""

    def __init__(self, channels: int, layout: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(layout, layout // 2, 3, 1, 1))
        self.mlp_gamma = nn.Conv2d(layout // 2, channels, 3, 1, 1)
        self.mlp_beta = nn.Conv2d(layout // 2, channels, 3, 1, 1)

    def forward(self, x: Tensor, layout: Tensor) -> Tensor:
        """``x`` (B, C, H, W), ``layout`` (B, L, h, w); returns the shape of ``x``."""
        enlarged = functional.interpolate(layout, size=x.shape[2:], mode="nearest")
        shared = functional.relu(self.mlp_shared(enlarged), inplace=True)
        return functional.instance_norm(x) * (1 + self.mlp_gamma(shared)) + self.mlp_beta(shared)


class SpadeBlock(nn.Module):
    """x + twice SPADE, ReLU and a spectral convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # a ModuleList of eight, as the published names number activations and paddings too
        self.conv_block = nn.ModuleList(
            [
                SPADE(channels, channels),
                nn.ReLU(),
                nn.ReflectionPad2d(1),
                SpectralConv2d(channels, channels, 3, bias=False),
                SPADE(channels, channels),
                nn.ReLU(),
                nn.ReflectionPad2d(1),
                SpectralConv2d(channels, channels, 3, bias=False),
            ]
        )

    def forward(self, x: Tensor, layout: Tensor) -> Tensor:
        """``x`` (B, C, H, W), ``layout`` (B, C, h, w); returns the shape of ``x``."""
        h = x
        for layer in self.conv_block:
            h = layer(h, layout) if isinstance(layer, SPADE) else layer(h)
        return x + h


class TransformerLayer(nn.Module):
    """An encoder layer of DETR (Carion et al., ECCV 2020): post-norm, positions added to queries and keys only."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.self_attn = nn.MultiheadAttention(channels, heads, dropout=dropout)
        self.linear1, self.linear2 = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """``x`` (B, C, H, W) and ``position`` (H * W, 1, C), as ``encode_position`` makes it."""
        tokens = x.flatten(2).permute(2, 0, 1)  # rows of pixels one after another
        query = tokens + position
        attended = self.self_attn(query, query, tokens, need_weights=False)[0]
        tokens = self.norm1(tokens + self._drop(attended))
        tokens = self.norm2(tokens + self._drop(self.linear2(self._drop(functional.relu(self.linear1(tokens))))))
        return tokens.permute(1, 2, 0).reshape(x.shape)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


def encode_position(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """Sines and cosines of rows, then of columns, (H * W, 1, C) float32, as in DETR with normalized positions."""
    k = torch.arange(channels // 2, device=device)
    wavelength = 10000.0 ** (2 * (k // 2) / (channels // 2))
    codes = []
    for length in (height, width):
        angle = torch.arange(1, length + 1, device=device, dtype=torch.float32) / (length + 1e-6) * (2 * math.pi)
        phase = angle[:, None] / wavelength
        codes.append(torch.where(k % 2 == 0, phase.sin(), phase.cos()))
    rows, columns = codes
    grid = torch.cat((rows[:, None].expand(height, width, -1), columns[None].expand(height, width, -1)), dim=2)
    return grid.reshape(height * width, 1, channels)


class LGCM(nn.Module):
    """Local-global content modelling: SPADE for the local, a transformer layer two halvings down for the global."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        channels = config.width
        self.TE = TransformerLayer(channels, config.attention_heads, 0.1 if config.dropout else 0.0)
        self.spade = SpadeBlock(channels)
        self.ec1, self.res1 = SNConv(channels, channels, 4, 2, 1), ResBlock(channels, channels)
        self.ec2, self.res2 = SNConv(channels, channels, 4, 2, 1), ResBlock(channels, channels)
        self.dc1, self.dc2 = SNDeconv(2 * channels, channels, 4), SNDeconv(2 * channels, channels, 4)
        self.lc1 = Lateral(channels)  # serves both skips
        if config.auxiliary_heads:
            self.lc2 = Lateral(channels)  # stands in the published checkpoint and is never used

    def forward(self, f: Tensor, layout: Tensor, position: Tensor) -> Tensor:
        """``f`` (B, 256, 128, 128), ``layout`` (B, 256, 64, 64), ``position`` for 32 x 32."""
        return self.spade(f, layout) + self.attend(f, position)

    def attend(self, f: Tensor, position: Tensor) -> Tensor:
        """The global half, (B, 256, 128, 128)."""
        k1 = self.ec1(f)
        k2 = self.ec2(self.res1(k1))
        t = self.TE(self.res2(k2), position)
        t = self.dc1(torch.cat((t, self.lc1(k2)), 1))
        return self.dc2(torch.cat((t, self.lc1(k1)), 1))


class TextureGenerator(nn.Module):
    """The text-free image from the image, its masks and the predicted structure."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        w, d, more = config.base_width, config.width, 3 if config.prefill else 0
        self.width, self.auxiliary_heads = d, config.auxiliary_heads
        self.ec1, self.res1 = SNConv(7 + more, w, 4, 2, 1), ResBlock(w, d)
        self.encoder_conv1 = nn.Conv2d(w, 2 * w, 3, 1, 1)
        self.ec2, self.res2 = SNConv(2 * w, 2 * w, 4, 2, 1), ResBlock(2 * w, d)
        self.encoder_conv2 = nn.Conv2d(2 * w, d, 3, 1, 1)
        self.encoder_conv1_sm = nn.Conv2d(4 + more, w, 7)
        self.encoder_conv2_sm = nn.Conv2d(w, 2 * w, 4, 2, 1)
        self.encoder_conv3_sm = nn.Conv2d(2 * w, d, 4, 2, 1)
        self.encoder_conv4_sm = nn.Conv2d(d, d, 4, 2, 1)
        self.encoder_sm_out = nn.Conv2d(d, d, 3, 1, 1)
        self.rdbs = nn.ModuleList(RDB(d, config.growth, config.rdb_layers) for _ in range(config.rdbs))
        self.gff = nn.Sequential(nn.Conv2d(d * config.rdbs, d, 1), nn.Conv2d(d, d, 3, 1, 1))
        self.feature_recon = nn.Sequential(*(ResBlock(d, d) for _ in range(4)))
        if config.auxiliary_heads:
            self.feature_mapping = nn.Conv2d(d, config.feature_channels, 1)
        self.middle = nn.ModuleList(LGCM(config) for _ in range(config.lgcm_blocks))
        self.dc1_conv, self.dc1 = nn.Conv2d(d, 2 * w, 3, 1, 1), SNDeconv(d, w, 4)
        self.dc2_conv, self.dc2 = nn.Conv2d(w, w, 3, 1, 1), SNDeconv(2 * w, w, 4)
        self.dc3 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7))
        self.lc6, self.lc7 = Lateral(2 * w), Lateral(w)
        if config.auxiliary_heads:
            self.prejection_head1, self.prejection_head2 = nn.Conv2d(2 * w, 3, 1), nn.Conv2d(w, 3, 1)  # sic

    def encode_context(self, image: Tensor, mask: Tensor) -> Tensor:
        """The layout that the LGCM blocks are conditioned on, (B, 256, 64, 64); ``image`` with the prefill, if any."""
        m = functional.pad(torch.cat((image, mask), 1), (3, 3, 3, 3), mode="reflect")
        convolutions = (self.encoder_conv1_sm, self.encoder_conv2_sm, self.encoder_conv3_sm, self.encoder_conv4_sm)
        for convolution in convolutions:
            m = functional.leaky_relu(convolution(m), 0.1, inplace=True)
        k, outputs = self.encoder_sm_out(m), []
        for rdb in self.rdbs:
            k = rdb(k)
            outputs.append(k)
        return self.feature_recon(self.gff(torch.cat(outputs, 1)) + m)

    def forward(
        self, image: Tensor, mask: Tensor, soft_mask: Tensor, coarse: Tensor, prefill: Tensor | None = None
    ) -> Prediction:
        """As ``Generator.forward``, with ``coarse`` (B, 3, H, W), the structure generator's, for the structure."""
        seen = image if prefill is None else torch.cat((image, prefill), 1)
        s1 = self.ec1(torch.cat((seen, coarse, soft_mask), 1))  # 256 px
        s2 = self.ec2(self.encoder_conv1(self.res1(s1)))  # 128 px
        f = self.encoder_conv2(self.res2(s2))
        layout = self.encode_context(seen, mask)
        position = encode_position(f.shape[2] // 4, f.shape[3] // 4, self.width, f.device).to(f.dtype)
        for block in self.middle:
            f = block(f, layout, position)
        d2 = self.dc1_conv(f)
        d3 = self.dc2_conv(self.dc1(torch.cat((d2, self.lc6(s2)), 1)))
        d4 = self.dc2(torch.cat((d3, self.lc7(s1)), 1))
        prediction = finish(self.dc3(d4), prefill, self.training)
        if not self.auxiliary_heads:
            return Prediction(coarse, None, None, prediction, None)
        out1, out2 = ((torch.tanh(x) + 1) / 2 for x in (self.prejection_head1(d2), self.prejection_head2(d3)))
        return Prediction(coarse, out1, out2, prediction, self.feature_mapping(layout))


def finish(last: Tensor, prefill: Tensor | None, training: bool) -> Tensor:
    """The image, (B, 3, H, W), from what the last layer says: by itself, or of what is to be added to ``prefill``.

    In [0, 1]; with a prefill while ``training`` as far as 1 out of it.
    """
    if prefill is None:
        return (torch.tanh(last) + 1) / 2
    changed = prefill + torch.tanh(last)
    return changed if training else changed.clamp(0, 1)


class Generator(nn.Module):
    """The whole generator: structure first, then texture."""

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config or GeneratorConfig()
        self.coarse_gen = StructureGenerator(self.config.structure_width, self.config.prefill)
        self.texture_generator = TextureGenerator(self.config)
        if not self.config.spectral_norm:
            divide_out_spectral_norms(self)
        if self.config.prefill:
            self._change_nothing()

    @torch.no_grad()
    def _change_nothing(self) -> None:
        """Zero the layers that say what to add: an untrained network is as good as the prefill."""
        for layer in (self.coarse_gen.deconv5.conv2d, self.texture_generator.dc3[1]):
            for name, parameter in layer.named_parameters():
                if name != "weight_orig":  # a norm of zero cannot be divided by
                    parameter.zero_()

    def forward(
        self, image: Tensor, mask: Tensor, soft_mask: Tensor, structure: Tensor, prefill: Tensor | None = None
    ) -> Prediction:
        """``image`` and ``structure`` (B, 3, H, W) RGB in [0, 1], ``mask`` (B, 1, H, W) {0, 1}, ``soft_mask`` [0, 1].

        ``prefill`` (B, 3, H, W) RGB in [0, 1] for a network that takes one, and for no other. H and W are multiples of
        32. Raises ValueError for other sizes, and for a prefill that is missing or not wanted.
        """
        if image.shape[2] % STRIDE or image.shape[3] % STRIDE:
            raise ValueError(f"sides {tuple(image.shape[2:])} are no multiples of {STRIDE}")
        if (prefill is not None) != self.config.prefill:
            raise ValueError(f"this network takes {'a' if self.config.prefill else 'no'} prefill")
        coarse = self.coarse_gen(structure, soft_mask)
        return self.texture_generator(image, mask, soft_mask, coarse, prefill)


def divide_out_spectral_norms(module: nn.Module) -> None:
    """Replace every spectrally normalized layer inside ``module`` by a plain one with the normalized weight."""
    for name, child in module.named_children():
        if isinstance(child, SpectralConv2d):
            c_out, c_in, kernel, _ = child.weight_orig.shape
            plain: Any = nn.Conv2d(c_in, c_out, kernel, child.stride, child.padding, bias=child.bias is not None)
        elif isinstance(child, SpectralConvTranspose2d):
            c_in, c_out, kernel, _ = child.weight_orig.shape
            plain = nn.ConvTranspose2d(c_in, c_out, kernel, 2, 1, child.output_padding)
        else:
            divide_out_spectral_norms(child)
            continue
        with torch.no_grad():
            plain.weight.copy_(child.weight())
            if child.bias is not None:
                plain.bias.copy_(child.bias)
        plain.train(child.training).requires_grad_(child.weight_orig.requires_grad)
        setattr(module, name, plain)
