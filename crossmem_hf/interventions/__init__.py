# SPDX-License-Identifier: Apache-2.0
"""What keeps a model from giving answers away without training it to: a file each."""
