"""Frames to a file. Imports no JAX."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from reppo.errors import ConfigurationError, require
from reppo.results.files import make_folder

SUFFIXES = (".gif", ".mp4")


def check_video_path(path: Path) -> None:
    """Checks that a video can be written there, before anything is computed.

    Raises:
        ConfigurationError: if the name ends in neither `.gif` nor `.mp4`, a folder of that name is there, or `.mp4` is
            asked for without ffmpeg.
    """
    require(
        path.suffix.lower() in SUFFIXES, f"The video {str(path)!r} ends in {path.suffix!r}; give a .gif or .mp4 file."
    )
    require(not path.is_dir(), f"{str(path)!r} is a folder. Give a file that ends in .gif or .mp4.")
    require(
        path.suffix.lower() != ".mp4" or find_ffmpeg() is not None,
        f"Writing {str(path)!r} needs ffmpeg, which is not installed. Install it (Debian: apt-get install ffmpeg; or "
        "pip install imageio-ffmpeg), or give a file that ends in .gif.",
    )


def find_ffmpeg() -> str | None:
    """The program ffmpeg: on the search path, or that of the package `imageio-ffmpeg`; None if there is neither."""
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            import imageio_ffmpeg  # pyright: ignore[reportMissingImports]

            found = imageio_ffmpeg.get_ffmpeg_exe()
        except (ImportError, RuntimeError):
            return None
    return found


def write_video(path: Path, frames: Sequence[UInt8[np.ndarray, "height width 3"]], fps: float) -> Path:
    """Writes a GIF or an MP4 (H.264), by the end of the file's name.

    Args:
        path: a name that ends in `.gif` or `.mp4`; its folder is made if need be.
        frames: RGB pictures of one size.
        fps: frames per second, positive. A GIF counts in hundredths of a second.

    Raises:
        ConfigurationError: as `check_video_path`, and where ffmpeg fails.
    """
    check_video_path(path)
    make_folder(path.parent)
    if path.suffix.lower() == ".gif":
        _write_gif(path, frames, fps)
    else:
        _write_mp4(path, frames, fps)
    return path


def _write_gif(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    from PIL import Image

    # One palette for all frames: colors do not flicker, and what stands still costs nothing.
    palette = Image.fromarray(np.concatenate([frames[0], frames[len(frames) // 2], frames[-1]])).quantize(128)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    duration = max(20, 10 * round(100 / fps))  # browsers slow down what is shorter
    images[0].save(path, save_all=True, append_images=images[1:], duration=duration, loop=0, optimize=True)


def _write_mp4(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    program = find_ffmpeg()
    assert program is not None
    height, width, _ = frames[0].shape
    command = [program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += ["-r", f"{fps:g}", "-i", "-", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", str(path)]
    done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), capture_output=True)
    if done.returncode != 0:
        raise ConfigurationError(
            f"ffmpeg cannot write {str(path)!r}: {done.stderr.decode(errors='replace').strip()}. Give a .gif instead."
        )
