"""Data of another type, and a layer's input or a loss's that is no tensor."""

from tests.mistakes.mistake import Mistake

ROWS = [
    Mistake("bytes of an image given to a convolution", "nn.Conv2d(3, 8, 3)(torch.zeros(1, 3, 9, 9, dtype=torch.uint8))", TypeError,
            ("uint8", "float()")),
    Mistake("a NumPy array given to a layer", "nn.Conv2d(1, 1, 3)(np.zeros((1, 1, 9, 9), np.float32))", TypeError,
            ("Tensor", "from_numpy")),
    Mistake("float64 data, float32 model", "nn.Linear(3, 2)(torch.zeros(1, 3, dtype=torch.float64))", TypeError,
            ("float64", "float32")),
    Mistake("float labels", "F.cross_entropy(torch.zeros(2, 3), torch.zeros(2))", (TypeError, ValueError), ("int64", "float32")),
    Mistake("label out of range", "F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]))", ValueError, ("3", "0", "2")),
    Mistake("negative label", "F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, -1]))", ValueError, ("-1",)),
    Mistake("labels of another batch size", "F.cross_entropy(torch.zeros(4, 3), torch.tensor([0, 1]))", ValueError, ("4", "2")),
    Mistake("targets outside 0..1", "F.binary_cross_entropy(torch.tensor([2.0]), torch.tensor([1.0]))", ValueError, ("0", "1", "with_logits")),
    Mistake("gradient of integers", "torch.tensor([1, 2], requires_grad=True)", TypeError, ("float", "int64")),
    Mistake("text as a tensor", "torch.tensor(['a'])", TypeError, ("str",)),
    Mistake("ragged lists", "torch.tensor([[1, 2], [3]])", ValueError, ("2", "1")),
    Mistake("the outputs of a network with an auxiliary head given to a loss",
            "nn.CrossEntropyLoss()(models.InceptionOutputs(torch.zeros(2, 3), torch.zeros(2, 3)), torch.tensor([0, 1]))", TypeError,
            ("cross_entropy: input must be a Tensor; got InceptionOutputs, a tuple with the fields logits, aux_logits.",
             "Fix: outputs.logits;", "criterion(outputs.logits, y) + 0.3 * criterion(outputs.aux_logits, y)")),
    Mistake("the outputs of GoogLeNet given to a loss",
            "F.mse_loss(models.googlenet(num_classes=2, init_weights=False)(torch.zeros(2, 3, 32, 32)), torch.zeros(2, 2))", TypeError,
            ("got GoogLeNetOutputs, a tuple with the fields logits, aux_logits2, aux_logits1.",
             "criterion(outputs.logits, y) + 0.3 * criterion(outputs.aux_logits2, y) + 0.3 * criterion(outputs.aux_logits1, y)")),
    Mistake("a tuple given to a loss", "F.l1_loss((torch.zeros(2), None), torch.zeros(2))", TypeError,
            ("got a tuple of 2. Fix: outputs[0]",)),
    Mistake("a dict given to a loss", "F.nll_loss({'out': torch.zeros(2, 3), 'aux': torch.zeros(2, 3)}, torch.tensor([0, 1]))", TypeError,
            ("got dict, with the keys 'out', 'aux'. Fix: outputs['out'];", "0.3 * criterion(outputs['aux'], y)")),
    Mistake("maximum and place given to an operation", "F.relu(torch.zeros(2, 3).max(1))", TypeError,
            ("a tuple with the fields values, indices. Fix: outputs.values",)),
    Mistake("a whole batch given to a layer", """
        for batch in DataLoader(TensorDataset(torch.zeros(2, 3), torch.zeros(2)), batch_size=2):
            nn.Linear(3, 1)(batch)
        """, TypeError, ("got a list of 2", "images, labels = batch", "minicnn.stack(x)")),
    Mistake("numbers given to a layer", "F.relu([1.0, 2.0])", TypeError, ("got list. Fix: minicnn.tensor(data)",)),
    Mistake("norm of an unknown kind", "torch.zeros(2, 2).norm('nuc')", ValueError, ("'nuc'", "numpy.linalg.norm")),
    Mistake("pooling with the 0-norm", "nn.LPPool2d(0, 2)(torch.zeros(1, 1, 4, 4))", ValueError, ("norm_type", "0")),
    Mistake("mean of integers", "torch.tensor([1, 2]).mean()", TypeError, ("int64", "float")),
]  # fmt: skip
