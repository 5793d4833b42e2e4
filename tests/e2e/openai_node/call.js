// One call of the client of the API's makers: node call.js ACTION ADDRESS KEY JSON
// Prints {"answer": …}, or {"error": …} with what the client threw.
import fs from "node:fs";
import OpenAI from "openai";

const [action, baseURL, apiKey, given] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const ask = ({ recording, ...fields }) =>
  client.audio.transcriptions.create({ file: fs.createReadStream(recording), ...fields });

async function stream(asked) {
  const events = [];
  for await (const event of await ask({ ...asked, stream: true })) {
    events.push(event);
  }
  return events;
}

const actions = {
  transcribe: ask,
  stream,
  models: async () => (await client.models.list()).data.map((model) => model.id),
};

try {
  console.log(JSON.stringify({ answer: await actions[action](JSON.parse(given)) }));
} catch (error) {
  const { constructor, message } = error;
  console.log(JSON.stringify({ error: { name: constructor.name, message } }));
}
