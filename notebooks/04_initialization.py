# %% [markdown]
# # 04 · Weight initialization: how a signal survives the first step
#
# Before a network has learned anything, its weights are whatever we said they should
# be. Say it badly, and ten layers turn every image into zero, or into $10^{11}$; then
# there is nothing to learn from. The right spread is one line of arithmetic, and we
# derive it here by watching what the wrong ones do.
#
# Predict first, then run. Each claim with a number ends in an `assert`.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import minidl as md
import minidl.ops as F
from minidl import nn, optim, show

SEED = int(os.environ.get("SEED", "0"))
rng = np.random.default_rng(SEED)
md.seed(SEED)
colors = {"axes.prop_cycle": plt.cycler(color=show.style.PALETTE)}
plt.style.use([show.style.SETTINGS, colors, {"figure.dpi": 150}])

# %% [markdown]
# ## 1. What if all weights start at zero?
#
# It looks fair: no class is preferred, and every score is 0. Here is a network of two
# layers that begins so, and 100 images of digits.
#
# **Predict.** What is the loss at the start? And which of the four parameters, two
# weights and two biases, gets a gradient that is not all zero?

# %%
digits = md.data.load_digits()
scale = md.data.standardize(digits.train.x.reshape(-1, 64))
images, labels = scale(digits.train.x.reshape(-1, 64)), digits.train.y

layers = [nn.Linear(64, 20, init=nn.init.zeros), nn.Linear(20, 10, init=nn.init.zeros)]
net = nn.Sequential(layers[0], nn.Tanh(), layers[1])
loss = F.cross_entropy(net(md.Tensor(images[:100])), labels[:100])
loss.backward()
moving = [name for name, p in net.named_parameters() if np.any(p.grad)]
print(f"loss {loss.item():.4f}; a gradient comes to {moving}")

assert abs(loss.item() - np.log(10)) < 1e-5 and moving == ["2.bias"]

# %% [markdown]
# The hidden layer puts out zeros, so the second weight gets none:
# $\partial L/\partial W_2 = h^\top g = 0$. And through a second weight of zeros nothing
# gets back to the first. Only the last bias learns: how common each digit is.
#
# ## 2. What if they are all equal, but not zero?
#
# Now gradients flow. Let every weight begin at 0.1, and train for 200 steps.
#
# **Predict.** Twenty hidden units, all alike at the start. How many *different* ones
# are there at the end?


# %%
def trained(init):
    md.seed(SEED)
    net = nn.Sequential(
        nn.Linear(64, 20, init=init), nn.Tanh(), nn.Linear(20, 10, init=init)
    )
    optimizer = optim.Momentum(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(net(md.Tensor(images)), labels).backward()
        optimizer.step()
    return net, md.train.accuracy(net(md.Tensor(images)).data, labels)


# %%
equal, accuracy_equal = trained(lambda shape, rng: nn.init.constant(shape, 0.1))
drawn, accuracy_drawn = trained(nn.init.xavier_normal)
for name, net in [("equal", equal), ("drawn", drawn)]:
    w = net[0].weight.data
    print(f"{name}: units differ by up to {np.ptp(w, axis=1).max():.4f}")
print(f"right on the training set: {accuracy_equal:.0%} and {accuracy_drawn:.0%}")

assert np.ptp(equal[0].weight.data, axis=1).max() < 1e-3
assert np.ptp(drawn[0].weight.data, axis=1).max() > 0.1
assert accuracy_equal < 0.6 and accuracy_drawn > 0.95

# %% [markdown]
# One. Equal units get equal gradients, and stay equal for ever: twenty of them do the
# work of one. Chance has to **break the symmetry**. So weights are drawn, and the
# question is how widely.
#
# ## 3. What does one layer do to the size of a signal?
#
# $y_j = \sum_{i=1}^{n} x_i w_{ij}$ is a sum of $n$ terms. If the weights are
# independent, with mean 0 and standard deviation $\sigma$, the variances of the terms
# add up:
#
# $$\mathrm{E}\,y^2 = n\,\sigma^2\;\mathrm{E}\,x^2$$
#
# **Predict.** $n = 400$ inputs of size 1 (root mean square). How large is the output
# for $\sigma = 0.01$, for $\sigma = 1$, and for which $\sigma$ is it 1?

# %%
N = 400
x = rng.normal(size=(500, N)).astype("float32")


def size(h):
    return float(np.sqrt(np.mean(np.square(h, dtype="float64"))))


for sigma in (0.01, 0.05, 1.0):
    y = x @ nn.init.normal((N, N), std=sigma, rng=rng)
    print(f"σ = {sigma:<5} size {size(y):7.3f}, expected {N**0.5 * sigma:7.3f}")
    assert abs(size(y) / (N**0.5 * sigma) - 1) < 0.03

# %% [markdown]
# $\sigma = 1/\sqrt{n} = 0.05$ keeps the size. A factor of 0.2 or of 20 would be
# harmless in one layer. But layers multiply.
#
# ## 4. What do ten layers of small weights do?
#
# Ten layers of 400 tanh units, $\sigma = 0.01$: "small random numbers", the advice of
# old.
#
# **Predict.** Each layer multiplies by about 0.2. How large is the tenth layer's
# output, and what happens to a gradient that comes back through all ten?


# %%
def through(f, sigma, depth=10):
    h = [md.Tensor(x, requires_grad=True)]
    for _ in range(depth):
        w = md.Tensor(nn.init.normal((N, N), std=sigma, rng=rng))
        h.append(f(h[-1] @ w))
    g = rng.normal(size=x.shape).astype("float32")
    return [layer.data for layer in h], md.grad(h[-1], h, grad_outputs=g)


def picture(h, title):
    return show.activations({f"layer {i}": h[i] for i in (1, 2, 4, 7, 10)}, title=title)


# %%
small, small_back = through(F.tanh, 0.01)
print(f"layer 10: {size(small[10]):.0e}, gradient: {size(small_back[0]):.0e}")

assert size(small[10]) < 1e-6 and size(small_back[0]) < 1e-6
picture(small, "tanh, σ = 0.01: the signal dies")

# %% [markdown]
# All images look alike to the tenth layer: about zero, less than a millionth. The
# gradient of its weights is $h^\top g$ with this $h$; and $g$ on its way back to the
# first layer shrinks as much.
#
# ## 5. And large weights?
#
# With $\sigma = 1$ the sums are about 20 times as large as the inputs, and tanh cuts
# them off at $\pm 1$.
#
# **Predict.** What share of the units is beyond $\pm 0.99$? And the gradient: does it
# vanish, since saturated units have no slope, or explode, since the weights are large?

# %%
large, large_back = through(F.tanh, 1.0)
saturated = np.mean(abs(large[10]) > 0.99)
growth = size(large_back[0]) / size(large_back[10])
print(
    f"{saturated:.0%} saturated; the gradient grows {growth:.0e} times on its way back"
)

assert saturated > 0.8 and growth > 1e4
picture(large, "tanh, σ = 1: nearly everything saturates")

# %% [markdown]
# Lectures often say that the gradient is then zero. For most *units* it nearly is: more
# than four in five are saturated. But the others pass it on through weights so large
# that the total **explodes**: at this width by a factor of more than 10,000 in ten
# layers. (Poole et al. call it chaos: two nearly equal inputs end up with nothing in
# common.) Section 9 shows whether such a network can learn.
#
# ## 6. What is between?
#
# Glorot and Bengio ask for $n_{in}\sigma^2 = 1$ to keep the signal, for
# $n_{out}\sigma^2 = 1$ to keep the gradient, and take the middle:
# $\sigma^2 = 2/(n_{in} + n_{out})$, called **Xavier**. Here both are 400, so that
# $\sigma = 0.05$.
#
# **Predict.** tanh bends towards 0, so that a little is lost in each layer. Is the size
# at layer 10 nearer to 0.6, 0.2, or 0.01?

# %%
xavier, xavier_back = through(F.tanh, N**-0.5)
print(f"layer 1: {size(xavier[1]):.2f}, layer 10: {size(xavier[10]):.2f}")
print(f"gradient, first over last: {size(xavier_back[0]) / size(xavier_back[10]):.2f}")

assert np.isclose(nn.init.xavier_normal((N, N), rng=rng).std(), N**-0.5, rtol=0.02)
assert 0.15 < size(xavier[10]) < 0.3
assert size(xavier_back[0]) > 0.2 * size(xavier_back[10])
picture(xavier, "tanh, Xavier: alive in all layers")

# %% [markdown]
# About a fifth instead of a ten-millionth. (PyTorch and minidl offer a *gain* of 5/3 to
# make up for the bend of tanh.)
#
# ## 7. Does Xavier work for a ReLU?
#
# The arithmetic assumed that the activation is about linear. A ReLU is not: it drops
# one half of a symmetric signal, and with it half of $\mathrm{E}\,y^2$.
#
# **Predict.** Half of the *mean square* in each of ten layers: by what factor is the
# mean square smaller at the end, and the size, its root?

# %%
halved, halved_back = through(F.relu, N**-0.5)
squares = size(halved[10]) ** 2 / size(halved[0]) ** 2
print(f"mean square: 1/{1 / squares:.0f}; size: 1/{squares**-0.5:.0f}")

assert 2**-11 < squares < 2**-9  # 2⁻¹⁰ = 1/1024

# %% [markdown]
# A factor of two in each layer, so put it back: **He** et al. take
# $\sigma^2 = 2/n_{in}$.
#
# **Predict.** With it, how far from 1 is the size after ten layers? And after fifty?

# %%
he, he_back = through(F.relu, (2 / N) ** 0.5)
deep = size(through(F.relu, (2 / N) ** 0.5, depth=50)[0][-1])
deep_xavier = size(through(F.relu, N**-0.5, depth=50)[0][-1])
print(
    f"10 layers {size(he[10]):.2f}; 50 layers {deep:.2f}, with Xavier {deep_xavier:.0e}"
)

assert 0.7 < size(he[10]) < 1.4 and 0.3 < deep < 3 and deep_xavier < 1e-6
picture(he, "ReLU, He: half is zero, and the size stays")

# %% [markdown]
# Not exactly 1, for chance adds up over the layers: between 0.3 and 3 after fifty. But
# a factor of $\sqrt 2$ per layer makes the difference to less than a millionth.
#
# ## 8. What does it all look like in one picture?
#
# **Predict.** On a logarithmic axis, a constant factor per layer is a straight line.
# Which of the seven lines below are straight, and which are level?

# %%
small_relu, small_relu_back = through(F.relu, 0.01)
large_relu, large_relu_back = through(F.relu, 1.0)
relu = {"σ = 0.01": small_relu, "σ = 1": large_relu, "Xavier": halved, "He": he}
tanh = {"σ = 0.01": small, "σ = 1": large, "Xavier": xavier}

fig, axes = plt.subplots(1, 2, figsize=(8, 3.2))
for ax, runs, name in [(axes[0], tanh, "tanh"), (axes[1], relu, "ReLU")]:
    for i, (label, h) in enumerate(runs.items()):
        line = show.style.dash(i) + "osD^"[i]
        ax.semilogy([size(layer) for layer in h], line, label=label, markersize=4)
    ax.set(title=f"{name}: size of the signal", xlabel="layer")
    ax.legend()

# %%
for label, h in relu.items():  # how far each line is from straight, as a factor
    logs = np.log([size(layer) for layer in h])
    bend = np.exp(abs(logs - np.linspace(logs[0], logs[-1], 11)).max())
    print(f"ReLU, {label:<8} ends at {size(h[10]):.0e}, straight within × {bend:.2f}")
    assert bend < 1.5 and (0.7 < size(h[10]) < 1.4) == (label == "He")
assert size(relu["σ = 1"][10]) > 1e11 and max(map(size, tanh["σ = 1"])) < 1.05

# %% [markdown]
# All four of the ReLU are straight, to a factor of 1.5: a ReLU is indifferent to scale,
# and every layer does the same. Only He's is level, and the largest ends above
# $10^{11}$. The outputs of tanh cannot exceed 1, but they can become as small as they
# like.
#
# **Predict.** And the gradients, on their way back through the same weights: which of
# the seven are within a factor of five of where they started?

# %%
ways = {"tanh, σ = 0.01": small_back, "tanh, σ = 1": large_back,
        "tanh, Xavier": xavier_back, "ReLU, σ = 0.01": small_relu_back,
        "ReLU, σ = 1": large_relu_back, "ReLU, Xavier": halved_back,
        "ReLU, He": he_back}  # fmt: skip
factors = {name: size(back[0]) / size(back[10]) for name, back in ways.items()}
for name, factor in factors.items():
    print(f"{name:<15} {factor:.1e}")

good = [name for name, factor in factors.items() if 1 / 5 < factor < 5]
assert good == ["tanh, Xavier", "ReLU, He"] and factors["tanh, σ = 1"] > 1e4

# %% [markdown]
# With the right scale both keep their size, here where all layers are equally wide: the
# same weights multiply both. They need not do the same otherwise: with tanh and
# $\sigma = 1$ the signal stays at ±1, because tanh cannot go beyond, and the gradient
# grows by more than 10,000. Where layers differ in width, one must choose between
# $n_{in}$ and $n_{out}$, or take the middle.
#
# ## 9. Does it decide whether the network learns?
#
# Ten hidden layers of 64, digits, six epochs, one learning rate for all. (A loss above
# 1000 at the first step counts as lost, and is not trained.)
#
# **Predict.** Which of the ten combinations pass 85 % on the test set?

# %%
inits = {
    "zeros": nn.init.zeros, "σ = 0.01": nn.init.small_random, "σ = 1": nn.init.normal,
    "Xavier": nn.init.xavier_normal, "He": nn.init.kaiming_normal,
}  # fmt: skip
test = md.Tensor(scale(digits.test.x.reshape(-1, 64)))
loader = md.data.DataLoader((images, labels), 50, shuffle=True, seed=SEED)
batches = [batch for epoch in range(6) for batch in loader]  # the same for all


# %%
def network(bend, init):
    md.seed(SEED)
    stack = []
    for _ in range(10):
        stack += [nn.Linear(64, 64, init=init), bend()]
    return nn.Sequential(*stack, nn.Linear(64, 10, init=init))


# %%
def train(net):
    optimizer = optim.Momentum(net.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(net(x), y)
        losses.append(loss.item())
        if losses[-1] > 1000:
            return losses, 0.0
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses, md.train.accuracy(net(test).data, digits.test.y)


# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
right = {}
for ax, bend in zip(axes, (nn.Tanh, nn.ReLU), strict=True):
    for i, (name, init) in enumerate(inits.items()):
        losses, right[bend.__name__, name] = train(network(bend, init))
        smooth = np.convolve(losses, np.ones(10) / 10, mode="valid")
        ax.plot(smooth, show.style.dash(i), label=name)
    ax.set(title=bend.__name__, ylim=(0, 4), xlabel="step")
axes[0].set_ylabel("training loss, smoothed")
axes[1].legend(loc="upper left", bbox_to_anchor=(1, 1))
assert right["ReLU", "σ = 1"] == 0  # lost at the first step

# %%
for (bend, name), accuracy in right.items():
    print(f"{bend}, {name:<9} {accuracy:.2f}")

never = [
    right[bend, name] for bend in ("Tanh", "ReLU") for name in ("zeros", "σ = 0.01")
]
assert max(never) < 0.2
assert max(right["Tanh", "σ = 1"], right["ReLU", "σ = 1"]) < 0.6
assert min(right["Tanh", "Xavier"], right["Tanh", "He"], right["ReLU", "He"]) > 0.85
assert right["ReLU", "Xavier"] < right["ReLU", "He"] - 0.05

# %% [markdown]
# tanh with Xavier's or He's weights, and the ReLU with He's. (With $\sigma = 1$ the
# loss is above the pictures, or lost at once.) Zeros and small numbers stay at $\ln 10$
# in the picture, the loss of a guess, with fewer than a fifth right. For the ReLU a
# factor of $\sqrt 2$ in the weights of ten layers costs Xavier more than 5 points. He's
# weights do well with tanh, too: their $\sqrt 2$ is not far from 5/3.
#
# Much of this care has become less urgent: batch normalization (notebook 05) rescales
# every layer in every step, whatever the weights are.
#
# ## Exercise: a gain of one's own
#
# A leaky ReLU passes $s\,y$ where $y < 0$. By which factor must weights of
# $\sigma = 1/\sqrt{n}$ be multiplied, so that the mean square stays? Write
# `answer(slope)` that returns it. (For $s = 0$ it must be He's $\sqrt 2$; for $s = 1$
# there is nothing to make up.)

# %%
answer = None  # a function of the slope, in place of None


def check(answer):
    for slope in (0.0, 0.3, 0.7, 1.0):
        sigma = answer(slope) / N**0.5
        h, _ = through(lambda z, s=slope: F.leaky_relu(z, s), sigma, depth=20)
        print(f"slope {slope}: after 20 layers {size(h[-1]):.2f}")
        assert 0.5 < size(h[-1]) < 2
    return "right"


print(check(answer) if answer else "Your turn.")

# %% [markdown]
# <details><summary>A solution</summary>
#
# Half of the mean square is kept, the other half multiplied by $s^2$; so
# $\mathrm{gain}^2 (1 + s^2)/2 = 1$ (He et al., equation 15).
#
# ```python
# def answer(slope):
#     return (2 / (1 + slope**2)) ** 0.5
# ```
# </details>
#
# **And without a check:** add the input of every layer to its output, $h + f(hW)$, as a
# residual network does. Which $\sigma$ keeps the size now, and what becomes of
# $\sigma = 0$?
#
# ## References
#
# - Y. LeCun, L. Bottou, G. Orr, K.-R. Müller, *Efficient BackProp* (1998):
#   $\sigma^2 = 1/n$.
# - X. Glorot, Y. Bengio, *Understanding the difficulty of training deep feedforward
#   neural networks*, AISTATS 2010: Xavier, and the pictures of activations by layer.
# - K. He, X. Zhang, S. Ren, J. Sun, *Delving deep into rectifiers*, ICCV 2015: the
#   factor 2.
# - A. Saxe, J. McClelland, S. Ganguli, *Exact solutions to the nonlinear dynamics of
#   learning in deep linear neural networks*, ICLR 2014: orthogonal weights.
# - B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein, S. Ganguli, *Exponential
#   expressivity in deep neural networks through transient chaos*, NIPS 2016: section 5.
# - D. Mishkin, J. Matas, *All you need is a good init*, ICLR 2016.
# - Lectures: CS231n and EECS 498, *Training neural networks I*.
# - In the source: `minidl/nn/init.py`.
