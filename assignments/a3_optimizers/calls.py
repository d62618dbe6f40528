"""What is asked of the engine: arrays by name go in, arrays by name come out.

Throughout:  p a parameter, where it starts    grads (T, …) its gradients, step by step
             ts the steps at which a schedule is asked
"""
# ruff: noqa: D103  what each one asks, its row says

import numpy as np

from minidl import Tensor, optim
from minidl.optim import schedules


def way(rule, p, grads, **settings):
    """Where p is after each step, and the gradients, which should be as they were."""
    p, points = Tensor(p, requires_grad=True), []
    settings = {name: float(x) for name, x in settings.items()}
    optimizer = rule([p], **settings)
    for g in grads:
        p.grad = g
        optimizer.step()
        points.append(p.data.copy())
    return {"p": np.stack(points), "grads": grads}


def falling(rule, p, grads, lr, **settings):
    """The same with a learning rate that halves from step to step."""
    p = Tensor(p, requires_grad=True)
    settings = {name: float(x) for name, x in settings.items()}
    optimizer = rule([p], lambda t: float(lr) / 2**t, **settings)
    for g in grads:
        p.grad = g
        optimizer.step()
    return {"p": p.data}


# a3.1, a3.2, a3.3


def sgd(p, grads, lr):
    return way(optim.SGD, p, grads, lr=lr)


def sgd_falling(p, grads, lr):
    return falling(optim.SGD, p, grads, lr)


def momentum(p, grads, lr, momentum, dampening=0.0):
    return way(optim.Momentum, p, grads, lr=lr, momentum=momentum, dampening=dampening)


def momentum_falling(p, grads, lr, momentum):
    return falling(optim.Momentum, p, grads, lr, momentum=momentum)


def nesterov(p, grads, lr, momentum):
    return way(optim.Nesterov, p, grads, lr=lr, momentum=momentum)


def nesterov_falling(p, grads, lr, momentum):
    return falling(optim.Nesterov, p, grads, lr, momentum=momentum)


# a3.4, a3.5, a3.6


def adagrad(p, grads, lr, eps, lr_decay=0.0, initial=0.0):
    how = {"lr": lr, "eps": eps, "lr_decay": lr_decay, "initial": initial}
    return way(optim.Adagrad, p, grads, **how)


def rmsprop(p, grads, lr, alpha, eps, momentum=0.0):
    how = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum}
    return way(optim.RMSProp, p, grads, **how)


def rmsprop_centered(p, grads, lr, alpha, eps, momentum=0.0):
    how = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum}
    return way(optim.RMSProp, p, grads, centered=True, **how)


def adadelta(p, grads, lr, rho, eps):
    return way(optim.Adadelta, p, grads, lr=lr, rho=rho, eps=eps)


# a3.7


def adam(p, grads, lr, beta1, beta2, eps, amsgrad=False):
    p, points = Tensor(p, requires_grad=True), []
    betas = float(beta1), float(beta2)
    optimizer = optim.Adam([p], float(lr), betas, float(eps), bool(amsgrad))
    for g in grads:
        p.grad = g
        optimizer.step()
        points.append(p.data.copy())
    return {"p": np.stack(points), "grads": grads}


# a3.8 to a3.11


def rates(f, ts):
    return {"rates": np.array([f(int(t)) for t in ts])}


def step(ts, lr, every, gamma):
    return rates(schedules.step(float(lr), int(every), float(gamma)), ts)


def linear(ts, lr, steps, lr_end):
    return rates(schedules.linear(float(lr), int(steps), float(lr_end)), ts)


def cosine(ts, lr, steps, lr_min):
    return rates(schedules.cosine(float(lr), int(steps), float(lr_min)), ts)


def inverse_sqrt(ts, lr, warmup):
    return rates(schedules.inverse_sqrt(float(lr), int(warmup)), ts)


# a3.12


def plateau(metrics, lr, factor, patience, cooldown=0, rising=False):
    """The learning rate after each metric."""
    optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], float(lr))
    rule = optim.ReduceOnPlateau(
        optimizer,
        "max" if rising else "min",
        factor=float(factor),
        patience=int(patience),
        cooldown=int(cooldown),
    )
    found = []
    for metric in metrics:
        rule.step(float(metric))
        found.append(optimizer.lr)
    return {"rates": np.array(found)}
