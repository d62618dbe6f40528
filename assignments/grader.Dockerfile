# The grader in a container, for macOS and Windows. From the root of the repository:
#
#   docker build -f assignments/grader.Dockerfile -t minidl-grader .
#   docker run --rm -v "$PWD/inbox:/inbox:ro" -v "$PWD/results:/results" minidl-grader \
#       grade /inbox --out /results
FROM python:3.12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir "numpy>=2"
COPY minidl /grader/minidl
COPY assignments /grader/assignments
WORKDIR /grader
ENTRYPOINT ["python", "-m", "minidl", "course"]
CMD ["grade", "/inbox", "--out", "/results"]
