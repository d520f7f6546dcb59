# SPDX-License-Identifier: Apache-2.0
"""A folder becomes a commit of a Hub repository, whole or not at all, and a version only once it is there."""
