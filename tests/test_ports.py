"""Well-known programs, written for minidl from what they do, as a user would.

None of them needs a workaround: what a program expects to find is there.
"""

import math

import numpy as np
import pytest

import minidl as md
from minidl import Tensor, data, nn, ops, optim

# ------------------------------------------- two layers, labels ±1, a hinge loss


def test_a_small_net_with_a_hinge_loss_separates_moons():
    md.seed(0)
    moons = data.moons(100, rng=0)
    x, y = moons.x, 2 * moons.y - 1  # −1 or 1, whole numbers
    net = nn.Sequential(
        nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    optimizer = optim.SGD(net.parameters(), lr=0.3)
    for _ in range(200):
        scores = net(x)[:, 0]
        losses = ops.relu(1 - y * scores)
        penalty = sum((p * p).sum() for p in net.parameters())
        loss = losses.mean() + 1e-4 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.dtype == np.float32
    assert ((net(x).data[:, 0] > 0) == (y > 0)).mean() > 0.97


# -------------------------------- a net of names, with batch norm written out by hand


def test_a_net_of_names_with_a_batch_norm_by_hand():
    rng, context = np.random.default_rng(0), 3
    xs, ys = [], []
    for name in data.load_names().train[:2000]:
        letters = [0] * context + [ord(c) - 96 for c in name] + [0]
        for i in range(context, len(letters)):
            xs.append(letters[i - context : i])
            ys.append(letters[i])
    xs, ys = np.array(xs), np.array(ys)
    assert ys.max() < 27

    def weights(*shape, scale=1.0):
        drawn = scale * rng.standard_normal(shape)
        return Tensor(drawn.astype("f4"), requires_grad=True)

    table, w1 = weights(27, 10), weights(30, 64, scale=5 / 3 / math.sqrt(30))
    w2, b2 = weights(64, 27, scale=0.01), Tensor(np.zeros(27, "f4"), requires_grad=True)
    gain = Tensor(np.ones((1, 64), "f4"), requires_grad=True)
    shift = Tensor(np.zeros((1, 64), "f4"), requires_grad=True)
    parameters = [table, w1, w2, b2, gain, shift]
    mean_kept, std_kept = ops.zeros((1, 64)), ops.ones((1, 64))
    losses = []
    for step in range(400):
        batch = rng.integers(0, len(xs), 64)
        h = table[xs[batch]].reshape((64, -1)) @ w1
        mean = h.mean(axis=0, keepdims=True)
        std = h.std(axis=0, keepdims=True, ddof=1)
        h = ops.tanh(gain * (h - mean) / std + shift)
        with md.no_grad():
            mean_kept = 0.99 * mean_kept + 0.01 * mean
            std_kept = 0.99 * std_kept + 0.01 * std
        loss = ops.cross_entropy(h @ w2 + b2, ys[batch])
        for p in parameters:
            p.grad = None
        loss.backward()
        with md.no_grad():
            for p in parameters:
                p -= (0.2 if step < 300 else 0.05) * p.grad
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(27), rel=0.05)
    assert np.mean(losses[-50:]) < 2.55
    with md.no_grad():
        h = table[xs[:500]].reshape((500, -1)) @ w1
        scores = ops.tanh(gain * (h - mean_kept) / std_kept + shift) @ w2 + b2
        assert ops.cross_entropy(scores, ys[:500]).item() < 2.7


# ------------------------------------- a small GPT, whose table of tokens also scores


class Block(nn.Module):
    def __init__(self, dim, heads):
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.c_attn, self.c_proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.ModuleDict(
            {"up": nn.Linear(dim, 4 * dim), "down": nn.Linear(4 * dim, dim)}
        )

    def attend(self, x):
        n, t, d = x.shape
        q, k, v = ops.split(self.c_attn(x), 3, axis=2)
        q, k, v = (
            z.reshape((n, t, self.heads, d // self.heads)).swapaxes(1, 2)
            for z in (q, k, v)
        )
        y = ops.scaled_dot_product_attention(q, k, v, causal=True)
        return self.c_proj(y.swapaxes(1, 2).reshape((n, t, d)))

    def forward(self, x):
        x = x + self.attend(self.ln_1(x))
        return x + self.mlp["down"](ops.gelu(self.mlp["up"](self.ln_2(x))))


class SmallGPT(nn.Module):
    def __init__(self, vocabulary, context, dim=32, heads=4, layers=2):
        self.context = context
        self.wte, self.wpe = nn.Embedding(vocabulary, dim), nn.Embedding(context, dim)
        self.h = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(dim)
        self.lm_head = nn.TiedLinear(self.wte)
        self.apply(self.start)
        for name, p in self.named_parameters():
            if name.endswith(("c_proj.weight", "down.weight")):
                nn.init.normal(p, 0.0, 0.02 / math.sqrt(2 * layers))

    @staticmethod
    def start(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal(module.weight, 0.0, 0.02)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(np.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))

    @md.no_grad()
    def generate(self, tokens, count, temperature=1.0, top_k=5):
        for _ in range(count):
            scores = self(tokens[:, -self.context :])[:, -1] / temperature
            least = ops.topk(scores, top_k)[0][:, -1:]
            scores = ops.masked_fill(scores, scores < least, value=-math.inf)
            drawn = ops.multinomial(ops.softmax(scores), 1)
            tokens = np.concatenate([tokens, md.backend.to_numpy(drawn)], axis=1)
        return tokens


def test_a_small_gpt_with_tied_weights_writes():
    md.seed(0)
    text = data.load_shakespeare().train[:4000]
    letters = sorted(set(text))
    codes = np.array([letters.index(c) for c in text])
    net = SmallGPT(len(letters), context=16)
    shared = [
        p for n, p in net.named_parameters() if n in ("wte.weight", "lm_head.weight")
    ]
    assert len(shared) == 1
    optimizer = optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.1)
    rng, losses = np.random.default_rng(0), []
    for _ in range(120):
        start = rng.integers(0, len(codes) - 17, (16, 1))
        batch = codes[start + np.arange(17)]
        loss = ops.cross_entropy(net(batch[:, :-1]).swapaxes(1, 2), batch[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm(net.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(len(letters)), rel=0.03)
    assert np.mean(losses[-20:]) < 2.7
    written = net.generate(codes[None, :4], 40)
    assert written.shape == (1, 44)
    assert written.max() < len(letters)


# ----------------------------------- PyTorch's example for MNIST, as it starts there


def mnist_layers(n, linear, conv, **init):
    return [
        conv(1, 32, 3, 1, **init), n.ReLU(), conv(32, 64, 3, 1, **init), n.ReLU(),
        n.MaxPool2d(2), n.Dropout(0.25), n.Flatten(1), linear(9216, 128, **init),
        n.ReLU(), n.Dropout(0.5), linear(128, 10, **init), n.LogSoftmax(1),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_mnist_cnn_begins_as_pytorchs(torch):
    """Adadelta with lr 1 and batches of 64, as there: its first three losses."""
    digits = data.load_mnist5k()[0]
    x = ((digits.x[:192] - 0.1307) / 0.3081).astype("f4").reshape((3, 64, 1, 28, 28))
    y = digits.y[:192].reshape((3, 64))
    theirs = []
    for seed in range(10):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            *mnist_layers(torch.nn, torch.nn.Linear, torch.nn.Conv2d)
        )
        optimizer = torch.optim.Adadelta(net.parameters(), lr=1.0)
        losses = []
        for images, labels in zip(torch.tensor(x), torch.tensor(y), strict=True):
            loss = torch.nn.functional.nll_loss(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        theirs.append(losses)
    low, high = np.min(theirs, axis=0), np.max(theirs, axis=0)
    ours = []
    for seed in range(3):
        md.seed(seed)
        net = nn.Sequential(*mnist_layers(nn, nn.Linear, nn.Conv2d, init="torch"))
        optimizer, losses = optim.Adadelta(net.parameters(), lr=1.0), []
        for images, labels in zip(x, y, strict=True):
            loss = ops.nll_loss(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        ours.append(losses)
    middle = np.mean(ours, axis=0)
    assert (low <= middle).all(), (low, middle, high)
    assert (middle <= high).all(), (low, middle, high)


# --------------------------------------------------------- a variational autoencoder


class VAE(nn.Module):
    def __init__(self):
        self.fc1, self.fc21, self.fc22 = (
            nn.Linear(784, 100), nn.Linear(100, 10, init="torch"),
            nn.Linear(100, 10, init="torch"),
        )  # fmt: skip
        self.fc3, self.fc4 = nn.Linear(10, 100), nn.Linear(100, 784, init="torch")

    def forward(self, x):
        h = ops.relu(self.fc1(x.reshape((-1, 784))))
        mean, log_var = self.fc21(h), self.fc22(h)
        z = mean + ops.randn(mean.shape) * ops.exp(0.5 * log_var)
        return ops.sigmoid(self.fc4(ops.relu(self.fc3(z)))), mean, log_var


def test_a_variational_autoencoder_learns():
    md.seed(0)
    net, losses = VAE(), []
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    for x, _ in data.DataLoader(data.load_mnist5k()[0], 64, shuffle=True, seed=0):
        y, mean, log_var = net(x)
        bce = ops.binary_cross_entropy(y, x.reshape((-1, 784)), reduction="sum")
        kl = -0.5 * (1 + log_var - mean**2 - ops.exp(log_var)).sum()
        loss = (bce + kl) / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(784 * math.log(2), rel=0.1)
    assert np.mean(losses[-5:]) < 230


# ------------------------------------- a convolutional GAN, with weights set by apply


def weights_init(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal(module.weight, 1.0, 0.02)
        nn.init.zeros(module.bias)


def test_a_convolutional_gan_takes_its_steps():
    md.seed(0)
    noise, size = 16, 8
    generator = nn.Sequential(
        nn.ConvTranspose2d(noise, 2 * size, 4, 1, 0, bias=False),
        nn.BatchNorm2d(2 * size), nn.ReLU(),
        nn.ConvTranspose2d(2 * size, size, 4, 2, 1, bias=False),
        nn.BatchNorm2d(size), nn.ReLU(),
        nn.ConvTranspose2d(size, 1, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    critic = nn.Sequential(
        nn.Conv2d(1, size, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(size, 2 * size, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * size), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * size, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
    )  # fmt: skip
    generator.apply(weights_init)
    critic.apply(weights_init)
    assert generator[0].weight.data.std() == pytest.approx(0.02, rel=0.1)
    assert generator[1].weight.data.mean() == pytest.approx(1, abs=0.02)
    criterion = nn.BCELoss()
    settings = {"lr": 2e-3, "betas": (0.5, 0.999)}
    opt_d = optim.Adam(critic.parameters(), **settings)
    opt_g = optim.Adam(generator.parameters(), **settings)
    images = data.load_mnist5k()[0].x[:320, :, 6:22, 6:22] * 2 - 1
    critic_losses = []
    for real in images.reshape((20, 16, 1, 16, 16)):
        critic.zero_grad()
        loss_real = criterion(critic(real).reshape(-1), np.ones(16, "f4"))
        loss_real.backward()
        fake = generator(ops.randn(16, noise, 1, 1))
        loss_fake = criterion(critic(fake.detach()).reshape(-1), np.zeros(16, "f4"))
        loss_fake.backward()
        opt_d.step()
        generator.zero_grad()
        loss = criterion(critic(fake).reshape(-1), np.ones(16, "f4"))
        loss.backward()
        opt_g.step()
        critic_losses.append(loss_real.item() + loss_fake.item())
    assert fake.shape == (16, 1, 16, 16)
    assert critic_losses[0] == pytest.approx(2 * math.log(2), rel=0.15)
    assert critic_losses[-1] < 0.8 * critic_losses[0]
    assert math.isfinite(loss.item())


# ----------------------------------- an LSTM that was PyTorch's, and is trained on here


class Reader(nn.Module):
    def __init__(self):
        self.embedding = nn.Embedding(12, 6)
        self.lstm = nn.LSTM(6, 8, num_layers=2, second_bias=True)
        self.output = nn.Linear(8, 12)

    def forward(self, tokens):
        return self.output(self.lstm(self.embedding(tokens))[0])


def test_an_lstm_of_pytorch_is_trained_on(torch):
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    parts = {
        "embedding": torch.nn.Embedding(12, 6),
        "lstm": torch.nn.LSTM(6, 8, 2, batch_first=True),
        "output": torch.nn.Linear(8, 12),
    }
    theirs = torch.nn.ModuleDict(parts).double()
    ours = Reader().astype("float64")
    nn.load_torch_state_dict(ours, theirs.state_dict())
    a, b = (
        optim.Adam(ours.parameters(), lr=1e-2),
        torch.optim.Adam(theirs.parameters(), 1e-2),
    )
    for _ in range(200):
        tokens = rng.integers(0, 12, (4, 9))
        loss = ops.cross_entropy(ours(tokens[:, :-1]).swapaxes(1, 2), tokens[:, 1:])
        ours.zero_grad()
        loss.backward()
        a.step()
        there = torch.tensor(tokens)
        h, _ = theirs["lstm"](theirs["embedding"](there[:, :-1]))
        scores = theirs["output"](h).transpose(1, 2)
        loss_there = torch.nn.functional.cross_entropy(scores, there[:, 1:])
        b.zero_grad()
        loss_there.backward()
        b.step()
        assert abs(loss.item() - loss_there.item()) < 1e-10
    exported = nn.to_torch_state_dict(ours)
    for name, array in theirs.state_dict().items():
        np.testing.assert_allclose(exported[name], array.numpy(), rtol=0, atol=1e-10)
