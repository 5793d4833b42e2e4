// node transcribe.js FILE: submit a recording (uploaded when it is large), follow the job, print the words with times.
// The server is STENOD_SERVER, or 127.0.0.1:50051.
import { seconds, StenodClient } from './stenod.js';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('usage: node transcribe.js FILE');
  process.exit(2);
}

const client = new StenodClient(process.env.STENOD_SERVER ?? '127.0.0.1:50051');
try {
  const job = await client.submit(file, { config: { tracking: { title: 'transcribe.js' } } });
  for await (const update of client.watch(job.job_id)) {
    console.error(`${update.job.state.replace('JOB_STATE_', '')} ${Math.round(100 * (update.job.progress?.ratio ?? 0))} %`);
  }
  await client.wait(job.job_id); // throws when it did not succeed
  const { info, segments } = await client.transcript(job.job_id);
  for (const word of segments.flatMap((segment) => segment.words)) {
    console.log(`${seconds(word.start_offset).toFixed(2)}\t${seconds(word.end_offset).toFixed(2)}\t${word.text}`);
  }
  console.log(segments.map((segment) => segment.text).join(' '));
  console.error(`${seconds(info.duration).toFixed(1)} s of audio, language ${info.language || '-'}`);
} catch (error) {
  console.error(`${file}: ${error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
