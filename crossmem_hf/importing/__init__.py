# SPDX-License-Identifier: Apache-2.0
"""Other people's portraits and question tables as datasets like ours. It knows rows, and nothing of training."""
