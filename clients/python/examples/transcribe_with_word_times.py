"""Transcribe a recording and print every word with its times.

python transcribe_with_word_times.py --server 127.0.0.1:50051 meeting.mp3
"""

import argparse
import asyncio
import sys

import stenod


async def transcribe(server: str, media: str) -> None:
    async with stenod.Client(server) as client:
        job = await client.submit(media)
        job = await client.wait(job.job_id)
        transcript = await client.transcript(job.job_id)

    for segment in transcript.segments:
        print(f"\n[{clock(segment.start_s)} - {clock(segment.end_s)}] {segment.speaker or segment.channel}".rstrip())
        for word in segment.words:
            print(f"  {word.start_s:8.2f} {word.end_s:8.2f}  {word.confidence:4.0%}  {word.text}")

    print(f"\n{transcript.text or '(no speech)'}\n")
    print(
        f"{len(transcript.words)} words, {transcript.duration_s:.1f} s of audio, language {transcript.language or '-'}"
    )
    if job.real_time_factor:
        work_s = transcript.duration_s / job.real_time_factor
        print(f"{transcript.model}: {work_s:.2f} s of work, {job.real_time_factor:.1f} x real time")


def clock(seconds: float) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{int(minutes):02}:{seconds:05.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Transcribe a recording and print every word with its times.")
    parser.add_argument("--server", default="127.0.0.1:50051", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("media", help="a path, or an address that the server fetches")
    arguments = parser.parse_args()
    try:
        asyncio.run(transcribe(arguments.server, arguments.media))
    except (stenod.StenodError, OSError) as error:
        sys.exit(f"{arguments.media}: {error}")


if __name__ == "__main__":
    main()
