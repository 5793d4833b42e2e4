// The Node client of stenod: uploads, waits, and retries what is safe. The API itself is in stenod.binpb, made of proto/.
import { randomUUID } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const INLINE_BYTES = 3 * 1024 ** 2; // the server's max_inline_bytes, by default
const CHUNK_BYTES = 1024 ** 2; // the most the server takes in one message
const ENDED = new Set(['JOB_STATE_SUCCEEDED', 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED', 'JOB_STATE_EXPIRED']);
const HERE = new URL('./', import.meta.url);

const definitions = protoLoader.loadFileDescriptorSetFromBuffer(readFileSync(new URL('stenod.binpb', HERE)), {
  keepCase: true,
  longs: Number, // sizes and seconds stay far below 2^53
  enums: String,
  defaults: true,
  oneofs: true,
});
const { TranscriptionService } = grpc.loadPackageDefinition(definitions).stenod.v1;

/** What the server said: `code` of gRPC, `reason` (stable, such as QUEUE_FULL) and `metadata` of its ErrorInfo. */
export class StenodError extends Error {
  constructor(message, { code, reason = '', metadata = {} } = {}) {
    super(message);
    this.name = 'StenodError';
    Object.assign(this, { code, reason, metadata });
  }
}

/** A job that ended without a transcript; `job` is that job. */
export class JobFailed extends StenodError {
  constructor(job) {
    const { reason, metadata } = errorInfo(job.error?.details ?? []);
    const state = job.state.replace('JOB_STATE_', '');
    super(job.error?.message || `job ${job.job_id} is ${state}`, { reason: reason || `JOB_${state}`, metadata });
    this.job = job;
  }
}

export class StenodClient {
  #stub;
  #metadata = new grpc.Metadata();
  #retry;

  /**
   * @param {string} address host:port of the server.
   * @param {{credentials?: grpc.ChannelCredentials, apiKey?: string, attempts?: number, outageSeconds?: number,
   *   maxBackoffSeconds?: number}} options `attempts` of a call that reached nobody; `outageSeconds` that an upload or
   *   a watch under way survives. Give an `apiKey` only together with TLS credentials.
   */
  constructor(address, { credentials, apiKey, attempts = 5, outageSeconds = 120, maxBackoffSeconds = 3 } = {}) {
    this.#retry = { attempts, outageSeconds, maxBackoffSeconds };
    this.#stub = new TranscriptionService(address, credentials ?? grpc.credentials.createInsecure(), {
      'grpc.service_config': readFileSync(new URL('service_config.json', HERE), 'utf8'),
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 3_000,
      'grpc.max_receive_message_length': 64 * 1024 ** 2,
    });
    if (apiKey) this.#metadata.set('authorization', `Bearer ${apiKey}`);
  }

  close() {
    this.#stub.close();
  }

  /** Any call with one request and one response: `await client.call('GetCapacity', {})`. */
  call(name, request) {
    return new Promise((resolve, reject) => {
      this.#stub[name](request, this.#metadata, (error, response) => (error ? reject(fromRpc(error)) : resolve(response)));
    });
  }

  /**
   * Hand a recording over: a path or a Buffer. Returns the job, safely stored. `config` is a JobConfig with the names of
   * proto/stenod/v1/job.proto. The same `requestId` gives the same job, so that a retry is safe.
   */
  async submit(media, { config = {}, fileName, requestId = randomUUID() } = {}) {
    const name = fileName ?? (Buffer.isBuffer(media) ? '' : basename(media));
    const source = { ...(await this.#source(media, name)), file_name: name };
    const patience = new Patience(this.#retry);
    for (;;) {
      try {
        return (await this.call('SubmitJob', { request_id: requestId, media: source, config })).job;
      } catch (error) {
        await patience.wait(error);
      }
    }
  }

  /** Yields `{job, segments}` whenever the job changes, until it has ended; each segment once. Survives restarts. */
  async *watch(jobId, { includeSegments = false } = {}) {
    const patience = new Patience(this.#retry);
    for (let next = 0; ; ) {
      const request = { job_id: jobId, include_segments: includeSegments, from_segment_index: next };
      try {
        for await (const update of this.#stream('WatchJob', request)) {
          patience.renew();
          next = update.segments.length ? update.segments.at(-1).index + 1 : next;
          yield update;
          if (ENDED.has(update.job.state)) return;
        }
        throw new StenodError('the server ended the watch before the job ended', { code: grpc.status.UNAVAILABLE });
      } catch (error) {
        await patience.wait(error);
      }
    }
  }

  /** Waits until the job has succeeded, and returns it. Throws JobFailed when it ended otherwise. */
  async wait(jobId) {
    for await (const { job } of this.watch(jobId)) {
      if (job.state === 'JOB_STATE_SUCCEEDED') return job;
      if (ENDED.has(job.state)) throw new JobFailed(job);
    }
  }

  /** The transcript of a job that has succeeded: `{info, segments}`; `seconds()` turns its offsets into numbers. */
  async transcript(jobId) {
    const patience = new Patience(this.#retry);
    const segments = [];
    for (let info; ; ) {
      try {
        const request = { job_id: jobId, from_segment_index: segments.length };
        for await (const { piece, [piece]: value } of this.#stream('GetTranscript', request)) {
          patience.renew();
          if (piece === 'info') info = value;
          else segments.push(value);
        }
        return { info, segments };
      } catch (error) {
        await patience.wait(error);
      }
    }
  }

  async #source(media, fileName) {
    const size = Buffer.isBuffer(media) ? media.length : (await stat(media)).size;
    if (size <= INLINE_BYTES) return { inline: Buffer.isBuffer(media) ? media : await readFile(media) };
    return { upload_id: await this.#upload(media, size, fileName) };
  }

  /** Uploads in chunks; after a broken connection goes on from what the server has stored. */
  async #upload(media, size, fileName) {
    const uploadId = randomUUID(); // our own, because a broken upload can only be found again by its id
    const patience = new Patience(this.#retry);
    for (let known = -1; ; ) {
      try {
        let stored = await this.#storedUpload(uploadId);
        if (stored.offset_bytes > known) patience.renew();
        known = stored.offset_bytes;
        if (!stored.complete) stored = await this.#send(media, size, fileName, stored);
        if (stored.complete) return uploadId;
        if (stored.offset_bytes <= known) throw new StenodError(`${fileName} ends at ${known} of ${size} bytes`);
      } catch (error) {
        // Bytes of the broken stream may still be landing; then the offset is asked for again.
        await patience.wait(error, error.reason === 'UPLOAD_OFFSET_MISMATCH');
      }
    }
  }

  async #storedUpload(uploadId) {
    try {
      return (await this.call('GetUpload', { upload_id: uploadId })).upload;
    } catch (error) {
      if (error.code === grpc.status.NOT_FOUND) return { upload_id: uploadId, offset_bytes: 0, complete: false };
      throw error;
    }
  }

  async #send(media, size, fileName, { upload_id, offset_bytes }) {
    let call;
    let answered = false;
    const answer = new Promise((resolve, reject) => {
      call = this.#stub.UploadMedia(this.#metadata, (error, response) => {
        answered = true;
        return error ? reject(fromRpc(error)) : resolve(response.upload);
      });
    });
    const settled = answer.catch(() => {}); // awaited below, once the reading has stopped
    call.on('error', () => {}); // the callback above has it
    try {
      call.write({ metadata: { upload_id, offset_bytes, size_bytes: size, file_name: fileName } });
      for await (const chunk of chunksFrom(media, offset_bytes)) {
        if (answered) break; // before the end: the answer says why
        if (!call.write({ chunk })) await Promise.race([new Promise((go) => call.once('drain', go)), settled]);
      }
      call.end();
      return await answer;
    } finally {
      call.cancel();
    }
  }

  async *#stream(name, request) {
    const call = this.#stub[name](request, this.#metadata);
    try {
      yield* call;
    } catch (error) {
      throw fromRpc(error);
    } finally {
      call.cancel();
    }
  }
}

/** A google.protobuf.Duration in seconds. */
export function seconds(duration) {
  return duration ? duration.seconds + duration.nanos / 1e9 : 0;
}

/** When to try again: only after UNAVAILABLE, ever more slowly, with jitter, and not for ever. */
class Patience {
  #failures = 0;
  #contact = null;

  constructor(policy) {
    this.policy = policy;
  }

  renew() {
    this.#failures = 0;
    this.#contact = Date.now();
  }

  async wait(error, passing = false) {
    const { attempts, outageSeconds, maxBackoffSeconds } = this.policy;
    this.#failures += 1;
    const spent =
      this.#contact === null ? this.#failures >= attempts : Date.now() - this.#contact > outageSeconds * 1000;
    if (spent || !(passing || error.code === grpc.status.UNAVAILABLE)) throw error;
    const ceiling = Math.min(maxBackoffSeconds, 0.2 * 2 ** (this.#failures - 1));
    await pause(1000 * ceiling * Math.random());
  }
}

async function* chunksFrom(media, offset) {
  if (!Buffer.isBuffer(media)) {
    yield* createReadStream(media, { start: offset, highWaterMark: CHUNK_BYTES });
    return;
  }
  for (let start = offset; start < media.length; start += CHUNK_BYTES) yield media.subarray(start, start + CHUNK_BYTES);
}

function fromRpc(error) {
  if (error.code === undefined || !error.metadata) return error;
  const [packed] = error.metadata.get('grpc-status-details-bin');
  const details = packed ? definitions['google.rpc.Status'].deserialize(packed).details : [];
  return new StenodError(error.details || error.message, { code: error.code, ...errorInfo(details) });
}

/** The ErrorInfo among the details of a google.rpc.Status. */
function errorInfo(details) {
  const packed = details.find(({ type_url }) => type_url?.endsWith('/google.rpc.ErrorInfo'));
  if (!packed) return { reason: '', metadata: {} };
  const { reason, metadata } = definitions['google.rpc.ErrorInfo'].deserialize(packed.value);
  return { reason, metadata: Object.fromEntries(metadata.map(({ key, value }) => [key, value])) }; // a map is its entries
}
