"""Networks to read at one sitting, each trained by one command of examples/.

mlp        layers in a row                  cnn       convolutions, then a classifier
efficientnet  depthwise convolutions        trained   networks that are ready to use
char_rnn   one character after another      seq2seq   a sequence into another one
captioner  an image into words              gpt       a transformer that writes
tagger     a class for a sequence, or a tag for each of its tokens
language   batches out of a long text, and the loss of what comes next
decoding   token after token: how all of the latter speak
choosing   one of them: greedy, temperature, top-k, top-p
beam       several beginnings at once: beam search
transcribing  what a model says to each of many inputs, and where it looked

The shapes of the lecture:
    one to one    a vector, a class          MLP, CNN
    one to many   an image, a sentence       Captioner, TransformerCaptioner
    many to one   a sentence, a class        SequenceClassifier
    many to many  a tag for every word       Tagger; CharRNN, GPT: the tag is what comes
                  read all, then write       Seq2Seq

In a clone, `python -m examples.char_rnn --minutes 15` trains one on the data in the
package; gpt, seq2seq and captioner likewise.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minidl.models.beam import beam_search
    from minidl.models.captioner import Captioner, TransformerCaptioner
    from minidl.models.char_rnn import CharRNN
    from minidl.models.choosing import Sampler, greedy, probabilities
    from minidl.models.cnn import CNN, ConvFeatures
    from minidl.models.decoding import generate
    from minidl.models.efficientnet import EfficientNetLite0
    from minidl.models.gpt import GPT
    from minidl.models.language import (
        AlignedChunks,
        RandomChunks,
        SlidingChunks,
        Stateful,
        next_loss,
    )
    from minidl.models.mlp import MLP
    from minidl.models.seq2seq import Seq2Seq
    from minidl.models.tagger import SequenceClassifier, Tagger
    from minidl.models.trained import pretrained
    from minidl.models.transcribing import attention_maps, transcribe

__all__ = [
    "CNN",
    "GPT",
    "MLP",
    "AlignedChunks",
    "Captioner",
    "CharRNN",
    "ConvFeatures",
    "EfficientNetLite0",
    "RandomChunks",
    "Sampler",
    "Seq2Seq",
    "SequenceClassifier",
    "SlidingChunks",
    "Stateful",
    "Tagger",
    "TransformerCaptioner",
    "attention_maps",
    "beam_search",
    "generate",
    "greedy",
    "next_loss",
    "pretrained",
    "probabilities",
    "transcribe",
]
HOMES = {
    "beam": ("beam_search",),
    "captioner": ("Captioner", "TransformerCaptioner"),
    "char_rnn": ("CharRNN",),
    "cnn": ("CNN", "ConvFeatures"),
    "choosing": ("Sampler", "greedy", "probabilities"),
    "decoding": ("generate",),
    "efficientnet": ("EfficientNetLite0",),
    "gpt": ("GPT",),
    "language": (
        "AlignedChunks",
        "RandomChunks",
        "SlidingChunks",
        "Stateful",
        "next_loss",
    ),
    "mlp": ("MLP",),
    "seq2seq": ("Seq2Seq",),
    "tagger": ("SequenceClassifier", "Tagger"),
    "trained": ("pretrained",),
    "transcribing": ("attention_maps", "transcribe"),
}


def __getattr__(name: str) -> Any:
    """Import a model when it is first named, so that `python -m` may run its file."""
    for home, names in HOMES.items():
        if name in names:
            return getattr(import_module(f"minidl.models.{home}"), name)
    raise AttributeError(
        f"minidl.models has no {name!r}; there are {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return __all__
