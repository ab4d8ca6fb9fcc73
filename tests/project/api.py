"""The public face, name by name: everything that has PyTorch's names, and what is ours."""

from __future__ import annotations

# "part of torch" -> names in it. An empty part is torch itself.
TORCH: dict[str, str] = {
    "": """
        Tensor Size Generator dtype device
        tensor as_tensor asarray from_numpy from_dlpack zeros ones full empty zeros_like ones_like full_like empty_like
        arange linspace logspace eye meshgrid rand randn randint randperm rand_like randn_like randint_like normal
        bernoulli multinomial manual_seed seed initial_seed get_rng_state set_rng_state
        no_grad enable_grad set_grad_enabled is_grad_enabled inference_mode is_anomaly_enabled
        compile save load stack cat concat hstack vstack where
        argmax argmin max min amax amin sum mean var std norm prod median all any logsumexp count_nonzero
        exp log log2 log10 log1p sqrt rsqrt abs sign clamp clip pow square sin cos tanh sigmoid relu softmax
        log_softmax floor ceil round add sub mul div neg remainder maximum minimum lerp isnan isinf isfinite
        matmul mm bmm mv dot outer addmm einsum flatten squeeze unsqueeze permute transpose t movedim reshape
        broadcast_to chunk split unbind narrow select flip roll tile repeat_interleave tril triu diag diagonal trace
        gather scatter index_select take masked_select masked_fill nonzero argwhere
        sort argsort topk kthvalue cumsum cumprod unique bincount histc clone
        allclose equal eq ne lt le gt ge isclose logical_and logical_or logical_not logical_xor
        is_tensor is_floating_point numel result_type promote_types finfo iinfo
        set_printoptions set_num_threads get_num_threads get_default_dtype set_default_dtype
        FloatTensor DoubleTensor HalfTensor LongTensor IntTensor ShortTensor CharTensor ByteTensor BoolTensor
        float32 float64 float16 int64 int32 int16 int8 uint8 bool float double half long int short
        inf nan pi e channels_last contiguous_format preserve_format
        use_deterministic_algorithms are_deterministic_algorithms_enabled
        nn optim autograd cuda backends utils accelerator
        """,
    "Tensor": """
        size shape dim ndim numel nelement item tolist numpy detach detach_ cpu cuda to float double half long int
        short byte bool type type_as view view_as reshape reshape_as flatten ravel unflatten contiguous T mT data
        requires_grad requires_grad_ is_leaf backward retain_grad register_hook register_post_accumulate_grad_hook
        zero_ add_ sub_ mul_ div_ fill_ copy_ clamp_ normal_ uniform_ random_ bernoulli_ masked_fill_ scatter_ pow_
        exp_ sqrt_ relu_ sigmoid_ tanh_ squeeze_ unsqueeze_ t_ transpose_ fill_diagonal_
        squeeze unsqueeze permute transpose t expand expand_as repeat repeat_interleave flip roll
        dtype device is_cuda stride is_contiguous element_size itemsize nbytes data_ptr is_floating_point
        new_zeros new_ones new_empty new_full new_tensor clone where
        sum mean var std norm max min amax amin argmax argmin prod median all any logsumexp count_nonzero
        exp log sqrt rsqrt abs neg sign clamp clip pow square sin cos tanh sigmoid relu softmax log_softmax
        floor ceil round add sub mul div remainder fmod floor_divide lerp isnan isinf isfinite maximum minimum
        matmul mm bmm mv dot outer addmm chunk split unbind narrow select unfold tril triu diag diagonal trace
        gather scatter scatter_add index_select index_add index_fill masked_select masked_fill nonzero take
        sort argsort topk kthvalue cumsum cumprod unique bincount allclose equal eq ne lt le gt ge
        logical_and logical_or logical_not multinomial bernoulli
        __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__
        __itruediv__ __floordiv__ __mod__ __pow__ __rpow__ __matmul__ __neg__ __abs__ __invert__ __and__ __or__ __xor__
        __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __getitem__ __setitem__ __len__ __iter__ __contains__ __float__
        __int__ __index__ __bool__ __array__ __dlpack__ __dlpack_device__ __repr__ __format__ __deepcopy__ __hash__
        """,
    "nn": """
        Module Parameter Buffer Sequential ModuleList ModuleDict ParameterList ParameterDict
        Identity Flatten Unflatten Conv2d ConvTranspose2d Linear
        MaxPool2d MaxUnpool2d AvgPool2d AdaptiveAvgPool2d AdaptiveMaxPool2d LPPool2d
        BatchNorm1d BatchNorm2d InstanceNorm2d GroupNorm LayerNorm LocalResponseNorm Dropout Dropout1d Dropout2d
        ReLU ReLU6 LeakyReLU PReLU ELU SiLU Hardswish Hardsigmoid Sigmoid LogSigmoid Tanh Softmax Softmax2d LogSoftmax
        Upsample UpsamplingNearest2d UpsamplingBilinear2d ZeroPad2d ConstantPad2d ReflectionPad2d ReplicationPad2d
        CircularPad2d PixelShuffle PixelUnshuffle ChannelShuffle Unfold Fold
        CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss MSELoss L1Loss SmoothL1Loss HuberLoss KLDivLoss
        functional init utils
        """,
    "nn.Module": """
        forward parameters named_parameters children named_children modules named_modules buffers named_buffers
        state_dict load_state_dict train eval apply to cpu cuda float double half zero_grad requires_grad_
        register_buffer register_parameter register_module add_module get_submodule get_parameter get_buffer
        register_forward_hook register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
        extra_repr __call__ __repr__ __getattr__ __setattr__ __delattr__
        """,
    "nn.Sequential": "__getitem__ __setitem__ __delitem__ __len__ __iter__ append insert extend pop",
    "nn.ModuleList": "__getitem__ __setitem__ __delitem__ __len__ __iter__ append insert extend pop",
    "nn.ModuleDict": "__getitem__ __setitem__ __delitem__ __len__ __iter__ __contains__ keys values items update pop",
    "nn.functional": """
        conv2d conv_transpose2d linear unfold fold pad one_hot
        max_pool2d max_unpool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d lp_pool2d
        batch_norm instance_norm group_norm layer_norm local_response_norm normalize dropout dropout1d dropout2d
        relu relu_ relu6 leaky_relu prelu elu silu hardswish hardsigmoid sigmoid logsigmoid tanh softmax log_softmax
        interpolate pixel_shuffle pixel_unshuffle channel_shuffle
        cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss smooth_l1_loss
        huber_loss kl_div
        """,
    "nn.init": """
        calculate_gain uniform_ normal_ trunc_normal_ constant_ ones_ zeros_ eye_ dirac_ xavier_uniform_ xavier_normal_
        kaiming_uniform_ kaiming_normal_ orthogonal_ sparse_
        """,
    "nn.utils": "clip_grad_norm_ clip_grad_value_ parameters_to_vector vector_to_parameters",
    "optim": "SGD Adam AdamW RMSprop Adagrad Adadelta Optimizer lr_scheduler",
    "optim.Optimizer": "step zero_grad state_dict load_state_dict add_param_group",
    "optim.lr_scheduler": """
        LRScheduler StepLR MultiStepLR ExponentialLR CosineAnnealingLR CosineAnnealingWarmRestarts OneCycleLR CyclicLR
        ReduceLROnPlateau LinearLR ConstantLR PolynomialLR SequentialLR ChainedScheduler LambdaLR MultiplicativeLR
        """,
    "autograd": """
        Function Variable backward grad gradcheck gradgradcheck detect_anomaly set_detect_anomaly no_grad enable_grad
        set_grad_enabled inference_mode
        """,
    "utils.data": """
        Dataset IterableDataset TensorDataset Subset ConcatDataset random_split DataLoader Sampler SequentialSampler
        RandomSampler SubsetRandomSampler WeightedRandomSampler BatchSampler default_collate default_convert
        get_worker_info
        """,
    "cuda": "is_available device_count manual_seed manual_seed_all empty_cache synchronize current_device",
    "backends": "cudnn mps cuda",
    "backends.cudnn": "is_available enabled benchmark deterministic allow_tf32",
    "backends.cuda": "is_built",
    "backends.mps": "is_available is_built",
    "accelerator": "is_available device_count current_accelerator",
}

OURS: dict[str, str] = {
    "": """
        use_backend active_backend available_backends show_config gradcheck data datasets transforms kernels io
        set_conv_algorithm active_conv_algorithm
        summary explain models onnx compiling train empty_cache memory_stats
        set_fusion_enabled is_fusion_enabled lessons exercise exercises
        """,
    "explain": """
        receptive_field ReceptiveField summary Summary Row ParameterRow Field pixel Pixel im2col Im2col compare
        Comparison cost Cost compare_cost CostComparison gradient_flow GradientFlow FlowRow activation_stats
        ActivationStats ActivationRow Attribution saliency Saliency guided_backprop GuidedBackprop grad_cam
        GradCam occlusion Occlusion deconvnet Deconvnet graph Graph page Page filters Filters feature_maps
        FeatureMaps most_activating MostActivating confusion_matrix ConfusionMatrix misclassified Misclassified
        gradient_autopsy Autopsy InputAutopsy
        """,
    "lessons": "exercise exercises Answer Task Verdict Problem Timing Training",
    "nn": "Maxout StochasticDepth",
    "nn.functional": "stochastic_depth",
    "autograd": "is_grad_enabled",
    "data": """
        Dataset TensorDataset Subset ConcatDataset CachedDataset random_split stratified_split DataLoader find_data
        sample_rng
        """,
    "datasets": """
        MNIST FashionMNIST Digits CIFAR10 CIFAR100 STL10 FakeData ImageFolder DatasetFolder CamVid VOCSegmentation
        VOCDetection VisionDataset CorruptDataError DatasetNotFoundError
        """,
    "models": """
        list_models get_model get_model_builder register_model load_weights weights_address ImageNetwork export_onnx
        freeze unfreeze replace_head parameter_groups features FeatureExtractor create_feature_extractor
        """,
    "train": """
        fit evaluate predict lr_find LRFindResult History Run
        Callback BatchTransform ClipGradients CSVLogger EMA EarlyStopping JSONLLogger LRSchedule ModelCheckpoint
        ReduceLROnPlateau TensorBoard TerminateOnNaN TimeLimit get_callback list_callbacks
        Metric Accuracy ConfusionMatrix F1Score MeanIoU Precision Recall TopKAccuracy get_metric list_metrics
        TrainingWarning ResumeError NonFiniteError
        """,
    "onnx": "export ExportError register_translator",
    "utils": "make_grid save_image",
    "transforms": """
        Compose RandomApply RandomChoice RandomOrder Lambda
        ToTensor PILToTensor ToPILImage ConvertImageDtype Normalize Denormalize functional InterpolationMode presets
        Resize CenterCrop Pad RandomCrop RandomResizedCrop FiveCrop TenCrop RandomHorizontalFlip RandomVerticalFlip
        RandomRotation RandomAffine
        ColorJitter Grayscale RandomGrayscale PCAColorNoise AutoContrast RandomAutocontrast RandomEqualize RandomInvert
        RandomPosterize RandomSolarize RandomAdjustSharpness
        GaussianBlur GaussianNoise SaltAndPepper RandomErasing Cutout MixUp CutMix
        """,
    "transforms.functional": """
        InterpolationMode adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation adjust_sharpness
        affine autocontrast center_crop convert_image_dtype crop denormalize equalize erase five_crop gaussian_blur
        get_dimensions get_image_num_channels get_image_size hflip invert normalize pad pil_to_tensor posterize resize
        resized_crop rgb_to_grayscale rotate solarize ten_crop to_grayscale to_pil_image to_tensor vflip
        """,
    "transforms.presets": """
        CIFAR_MEAN CIFAR_STD IMAGENET_MEAN IMAGENET_STD alexnet_train cifar_eval cifar_train for_model imagenet_eval
        imagenet_train lenet
        """,
    "kernels": "call explain kernel operations use_backend reference vectorized numba_cpu geometry registry",
}
