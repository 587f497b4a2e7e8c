"""The messages that models see, rendered from templates."""

from codemonkeys.prompting.rendering import Prompts, check_folder, cut_middle, neutral, shipped_folder, templates

__all__ = ["Prompts", "check_folder", "cut_middle", "neutral", "shipped_folder", "templates"]
