// One call of the batch client of Speechmatics for JavaScript: node ask.js ACTION ADDRESS KEY JSON
// Prints {"answer": …}, or {"error": …} with what the client threw.
import fs from "node:fs";
import path from "node:path";
import { createHash } from "node:crypto";
import { BatchClient } from "@speechmatics/batch-client";

const [action, apiUrl, apiKey, given] = process.argv.slice(2);
const client = new BatchClient({ apiKey, apiUrl, appId: "stenod-test" });

async function input({ recording, url, as }) {
  if (!recording) {
    return { url };
  }
  const fileName = path.basename(recording);
  const data = await fs.openAsBlob(recording);
  return as === "file" ? new File([data], fileName, { type: "audio/x-wav" }) : { data, fileName };
}

// The client takes every recording for JSON, so what came is read beside it.
async function dataFile({ id }) {
  let bytes;
  const itself = globalThis.fetch;
  globalThis.fetch = async (...request) => {
    const response = await itself(...request);
    bytes = Buffer.from(await response.clone().arrayBuffer());
    return response;
  };
  const thrown = await client.getDataFile(id).then(() => null, (error) => error.message);
  return { sha256: createHash("sha256").update(bytes).digest("hex"), thrown };
}

const actions = {
  submit: async (asked) => (await client.createTranscriptionJob(await input(asked), asked.config)).id,
  transcribe: async (asked) => client.transcribe(await input(asked), asked.config, asked.format),
  job: async ({ id }) => (await client.getJob(id)).job,
  transcript: ({ id, format }) => client.getJobResult(id, format),
  jobs: async (filters) => (await client.listJobs(filters)).jobs,
  delete: async ({ id, force }) => (await client.deleteJob(id, force)).job,
  data: dataFile,
};

try {
  console.log(JSON.stringify({ answer: await actions[action](JSON.parse(given)) }));
} catch (error) {
  const [thrown] = Array.isArray(error) ? error : [error]; // of a job that failed it throws a list
  const { name = "errors", message, response, cause } = thrown;
  const detail = response && `${response.code} ${response.detail}`;
  console.log(JSON.stringify({ error: { name, message, detail, cause: cause && String(cause) } }));
}
