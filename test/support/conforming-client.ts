import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { Api } from "../../src/api/dependencies.ts";

interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Responses }>>>>;
  readonly components: object;
}
type Responses = Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;

export interface Answer<Body = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface Call {
  readonly body?: unknown;
  readonly rawBody?: string;
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls the API and holds every answer to the OpenAPI document that it serves itself. */
export class ConformingClient {
  readonly #api: Api;
  readonly #token: string;
  readonly #document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  private constructor(api: Api, token: string, document: OpenApiDocument) {
    this.#api = api;
    this.#token = token;
    this.#document = document;
    addFormats.default(this.#ajv);
    this.#ajv.addSchema(document, "openapi.json");
  }

  static async create(api: Api, token: string): Promise<ConformingClient> {
    const response = await api.request("/v1/openapi.json");
    return new ConformingClient(api, token, (await response.json()) as OpenApiDocument);
  }

  async call<Body = Record<string, unknown>>(request: string, call: Call = {}): Promise<Answer<Body>> {
    const [method = "GET", path = "/"] = request.split(" ");
    const token = call.token === undefined ? this.#token : call.token;
    const body = call.rawBody ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const response = await this.#api.request(path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...call.headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    const answer = (await response.json()) as Body;
    this.#hold(method.toLowerCase(), path, response, answer);
    return { status: response.status, headers: response.headers, body: answer };
  }

  #hold(method: string, path: string, response: Response, body: unknown): void {
    const template = this.#templateOf(path);
    const responses = this.#document.paths[template]?.[method]?.responses ?? {};
    const key = Object.hasOwn(responses, response.status) ? String(response.status) : "default";
    const type = response.headers.get("content-type") ?? "none";
    if (!responses[key]?.content?.[type])
      throw new Error(`${method} ${template} answers ${response.status} ${type}, undescribed`);
    const pointer = ["paths", template, method, "responses", key, "content", type, "schema"]
      .map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1"))
      .map(encodeURIComponent)
      .join("/");
    if (!this.#ajv.validate({ $ref: `openapi.json#/${pointer}` }, body)) {
      throw new Error(
        `${method} ${template} ${response.status}: ${this.#ajv.errorsText()}\n${JSON.stringify(body)}`,
      );
    }
  }

  #templateOf(path: string): string {
    const [bare = ""] = path.split("?");
    const matches = (template: string) =>
      new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`).test(bare);
    const template = Object.keys(this.#document.paths).find(matches);
    if (!template) throw new Error(`${bare} is not described`);
    return template;
  }
}
