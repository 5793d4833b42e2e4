// Asks a server for one recording in every way, with the client of the API's makers. Prints one JSON object.
import fs from "node:fs";
import OpenAI from "openai";

const [baseURL, recording, formats] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0 });
const ask = (fields) =>
  client.audio.transcriptions.create({ file: fs.createReadStream(recording), model: "whisper-1", ...fields });

const answers = {};
for (const response_format of formats.split(",")) {
  answers[response_format] = await ask({ response_format });
}
const timestamp_granularities = ["word", "segment"];
answers.words = await ask({ response_format: "verbose_json", timestamp_granularities });
answers.events = [];
for await (const event of await ask({ stream: true })) {
  answers.events.push(event);
}
answers.models = (await client.models.list()).data.map((model) => model.id);
answers.speakers = (await ask({ response_format: "diarized_json" })).segments;
try {
  await ask({ include: ["logprobs"] });
} catch (error) {
  answers.refused = { name: error.constructor.name, status: error.status, param: error.param, code: error.code };
}
console.log(JSON.stringify(answers));
