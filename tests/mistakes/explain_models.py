"""`minicnn.explain`, a whole model: pictures, gradient flow, the architecture."""

from tests.mistakes.mistake import Mistake

MODEL = """
import minicnn.explain as ex
CNN = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3))
"""

ROWS = [
    Mistake("a layer that is not there", MODEL + "ex.grad_cam(CNN, torch.rand(1, 8, 8), layer='2.weight')", ValueError,
            ("grad_cam: '2.weight' is no layer of Sequential. Did you mean", "'2'")),
    Mistake("a layer of another model", MODEL + "ex.feature_maps(CNN, torch.rand(1, 8, 8), nn.ReLU())", ValueError,
            ("feature_maps: this ReLU is no layer of Sequential",)),
    Mistake("a layer without maps", MODEL + "ex.grad_cam(CNN, torch.rand(1, 8, 8), layer='4')", ValueError,
            ("'4' gives (1, 3)", "Fix: layer='1'")),
    Mistake("a class that is not there", MODEL + "ex.saliency(CNN, torch.rand(1, 8, 8), target=3)", ValueError,
            ("there is no class 3: the model has 3, 0 to 2",)),
    Mistake("more classes than images", MODEL + "ex.saliency(CNN, torch.rand(1, 8, 8), target=[0, 1])", ValueError,
            ("one for each of the 1 images",)),
    Mistake("bytes to explain", MODEL + "ex.saliency(CNN, torch.zeros(1, 8, 8, dtype=torch.uint8))", TypeError, ("Fix: x.float() / 255",)),
    Mistake("a PIL image to explain", MODEL + "ex.occlusion(CNN, object())", TypeError, ("Fix: transforms.ToTensor()(image)",)),
    Mistake("the class of a model", MODEL + "ex.filters(nn.ReLU)", TypeError, ("got the class ReLU. Fix: ReLU(), with brackets",)),
    Mistake("scores that are maps", MODEL + "ex.saliency(CNN[0], torch.rand(1, 8, 8))", ValueError,
            ("expected a classifier, which gives scores (N, classes); this model gives (1, 2, 6, 6)",)),
    Mistake("guided backpropagation without ReLUs", MODEL + "ex.guided_backprop(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.rand(1, 2, 2))",
            ValueError, ("no ReLU runs in Sequential", "Fix: explain.saliency(model, x)")),
    Mistake("filters of a layer that has none", MODEL + "ex.filters(CNN, '1')", ValueError, ("'1', a ReLU, has none",)),
    Mistake("a patch larger than the image", MODEL + "ex.occlusion(CNN, torch.rand(1, 8, 8), size=9)", ValueError,
            ("from 1 to 8 (the image has 8 x 8 pixels)",)),
    Mistake("a channel that is not there", MODEL + "ex.most_activating(CNN, torch.rand(2, 1, 8, 8), '0', 2)", ValueError,
            ("'0' has 2 channels, 0 to 1; got 2",)),
    Mistake("a channel to project back that is not there", MODEL + "ex.deconvnet(CNN, torch.rand(1, 8, 8), '0', 5)", ValueError,
            ("'0' has 2 channels, 0 to 1; got channel=5",)),
    Mistake("a confusion matrix without labels", MODEL + "ex.confusion_matrix(CNN, torch.rand(2, 1, 8, 8))", ValueError,
            ("the data has no labels. Fix: pairs (image, label)",)),
    Mistake("images that are no tensors", MODEL + "ex.misclassified(CNN, [(np.zeros((8, 8)), 1)])", ValueError,
            ("got ndarray. Fix: transform=transforms.ToTensor()",)),
    Mistake("more labels than names", MODEL + "ex.ConfusionMatrix.of([0, 2], [0, 1], ['cat', 'dog'])", ValueError, ("classes are 0 to 1, but 2 occurs",)),
    Mistake("gradient flow without a loss", MODEL + "ex.gradient_flow(CNN, torch.rand(2, 1, 8, 8))", ValueError,
            ("a batch without labels has no loss. Fix: gradient_flow(model, (inputs, labels))",)),
    Mistake("gradient flow of a loss by name", MODEL + "ex.gradient_flow(CNN, torch.rand(2, 1, 8, 8), loss='mse')", TypeError,
            ("loss must be a function", "'mse'", "F.mse_loss")),
    Mistake("gradient flow of many numbers", MODEL + "ex.gradient_flow(CNN, torch.rand(2, 1, 8, 8), lambda y: y)", ValueError,
            ("the loss must be one number that depends on the model; got a tensor (2, 3)",)),
    Mistake("two kinds of step", MODEL + "ex.gradient_flow(CNN, torch.rand(2, 1, 8, 8), lambda y: y.sum(), lr=1, optimizer=optim.SGD(CNN.parameters(), 1))",
            ValueError, ("give an optimizer or lr",)),
    Mistake("statistics of no batch", MODEL + "ex.activation_stats(CNN, (1, 8, 8))", TypeError, ("expected a batch of inputs as a tensor; got tuple",)),
    Mistake("a drawing at depth -1", MODEL + "ex.graph(CNN, (1, 8, 8), depth=-1)", ValueError, ("graph: depth must be at least 0",)),
    Mistake("a page about a batch", MODEL + "ex.page(CNN, torch.rand(2, 1, 8, 8))", ValueError, ("expected one image; got a batch of 2. Fix: page(model, x[0])",)),
    Mistake("names for other classes", MODEL + "ex.page(CNN, torch.rand(1, 8, 8), classes=['cat'])", ValueError,
            ("the model has 3 classes, but 1 names were given",)),

]  # fmt: skip
