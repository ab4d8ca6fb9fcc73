"""Trainings: `fit`, `evaluate`, `predict`, checkpoints, callbacks and metrics."""

from tests.mistakes.mistake import Mistake

FIT = "x = torch.randn(8, 4); y = torch.arange(8) % 3; net = nn.Linear(4, 3); o = optim.SGD(net.parameters(), lr=0.1)\n"

ROWS = [
    Mistake("a dataset instead of batches", FIT + "train.fit(net, TensorDataset(x, y), optimizer=o, epochs=1)", TypeError,
            ("TensorDataset", "DataLoader(dataset, batch_size=32)")),
    Mistake("tensors instead of batches", FIT + "train.fit(net, x, optimizer=o, epochs=1)", TypeError,
            ("DataLoader(TensorDataset(inputs, targets)",)),
    Mistake("an iterator, which ends", FIT + "train.fit(net, iter([(x, y)]), optimizer=o, epochs=2)", TypeError, ("empty after one pass",)),
    Mistake("batches without targets", FIT + "train.fit(net, [x], optimizer=o, epochs=1)", TypeError, ("pair (inputs, targets)", "Tensor")),
    Mistake("no batch at all", FIT + "train.fit(net, [], optimizer=o, epochs=1)", ValueError, ("no batch", "dataset empty")),
    Mistake("the class of an optimiser", FIT + "train.fit(net, [(x, y)], optimizer=optim.Adam, epochs=1)", TypeError,
            ("Adam(model.parameters(), ...)",)),
    Mistake("the optimiser of another model", FIT + "train.fit(nn.Linear(4, 3), [(x, y)], optimizer=o, epochs=1)", ValueError,
            ("none of the parameters of this Linear", "after its last layer")),
    Mistake("no epochs", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=0)", ValueError, ("epochs", "0")),
    Mistake("a loss that is not reduced", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, loss=nn.CrossEntropyLoss(reduction='none'))",
            ValueError, ("one number", "(8,)", "reduction='mean'")),
    Mistake("a graph of several batches", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, accumulate=2, cuda_graph=True)", ValueError,
            ("cuda_graph=True", "accumulate=2")),
    Mistake("accumulating sums",
            FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, loss=nn.CrossEntropyLoss(reduction='sum'), accumulate=2)", ValueError,
            ("accumulate=2", "is a sum", "reduction='mean'")),
    Mistake("the accuracy of several classes at once",
            FIT + "train.evaluate(net, [(x, torch.ones(8, 3))], ['accuracy'], loss=nn.BCEWithLogitsLoss())", ValueError,
            ("(8, 3)", "sums from 3 to 3", "several classes")),
    Mistake("the class of a loss", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, loss=nn.CrossEntropyLoss)", TypeError,
            ("nn.CrossEntropyLoss()",)),
    Mistake("labels that are no classes", FIT + "train.fit(net, [(x, y + 1)], optimizer=o, epochs=1)", ValueError, ("label 3", "0 to 2")),
    Mistake("an unknown metric", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, metrics=['acuracy'])", ValueError,
            ("'acuracy'", "'accuracy'")),
    Mistake("an unknown callback", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=['early_stoping'])", ValueError,
            ("'early_stoping'", "'early_stopping'")),
    Mistake("a metric twice", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, metrics=['f1', 'f1'])", ValueError,
            ("two metrics are called 'f1'",)),
    Mistake("a number that is not there to be watched",
            FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=[train.EarlyStopping('val_loss')])", ValueError,
            ("'val_loss'", "no validation data")),
    Mistake("resuming without checkpoints", FIT + "train.fit(net, [(x, y)], optimizer=o, epochs=1, resume=True)", ValueError,
            ("ModelCheckpoint",)),
    Mistake("replacing the checkpoint of another training",
            FIT + "for _ in '12': train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=[train.ModelCheckpoint('a')])",
            FileExistsError, ("resume=True", "overwrite=True")),
    Mistake("resuming with another network", FIT + """
train.fit(net, [(x, y)], optimizer=o, epochs=1, callbacks=[train.ModelCheckpoint('a')])
net = nn.Linear(4, 5)
train.fit(net, [(x, y)], optimizer=optim.SGD(net.parameters(), lr=0.1), epochs=2, resume='a')
""", ValueError, ("another network", "weight is (3, 4) in the checkpoint, (5, 4) in the model")),
    Mistake("weights that are no checkpoint of a training", FIT + """
torch.save(net.state_dict(), 'a.mcnn')
train.fit(net, [(x, y)], optimizer=o, epochs=1, resume='a.mcnn')
""", ValueError, ("a.mcnn", "load_state_dict")),
    Mistake("evaluating nothing", FIT + "train.evaluate(net, [])", ValueError, ("no batch",)),
    Mistake("predicting without a model", "train.predict('net', torch.zeros(1))", TypeError, ("nn.Module", "str")),
]  # fmt: skip
