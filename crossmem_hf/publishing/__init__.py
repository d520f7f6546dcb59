# SPDX-License-Identifier: Apache-2.0
"""What goes to the Hub beside the dataset (metrics as Spaces, results as model repositories), and comes back."""
