"""The one image all components run in, and the decorator that says so.

Nothing is installed when a step starts: the image holds understudy and kfp. KFP's local runner
uses the Python it was started with instead, and asks for "python" in the image's name.
"""

import functools

from kfp import dsl

IMAGE = "understudy-python:0.1.0"

component = functools.partial(dsl.component, base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
