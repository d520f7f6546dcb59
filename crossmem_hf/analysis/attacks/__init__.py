# SPDX-License-Identifier: Apache-2.0
"""Ways to get out of a model what it does not say when it is asked: a file each."""
