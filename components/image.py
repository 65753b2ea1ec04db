"""The images that components run in, and the decorator that says so.

Nothing is installed when a step starts: the images hold understudy and kfp. KFP's local runner uses the Python it
was started with instead. A compiled pipeline names the images it is given, by digest; these are what it names else.
"""

import functools

from kfp import dsl

IMAGE = "understudy-cpu:0.1.0"
GPU_IMAGE = "understudy-gpu:0.1.0"
"""For steps that train, where there is a GPU; otherwise the same."""

component = functools.partial(dsl.component, base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
