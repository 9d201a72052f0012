// A client of any API, made from its OpenAPI file alone: each operation by its id.
export async function clientOf(schemaUrl, token) {
  const schema = await (await fetch(schemaUrl)).json();
  const [{ url: server }] = schema.servers;
  const scheme = schema.components.securitySchemes.tokenAuth;
  const prefix = scheme.description.match(/prefix "(\w+)"/)[1];
  const operations = {};
  for (const [path, methods] of Object.entries(schema.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      operations[operation.operationId] = { path, method, operation };
    }
  }

  return async (id, { path = {}, query = {}, headers = {}, body } = {}) => {
    const { path: template, method, operation } = operations[id];
    const address = new URL(server + template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name])));
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    const sent = { [scheme.name]: `${prefix} ${token}`, ...headers };
    if (operation.requestBody) sent["Content-Type"] = "application/json";
    const response = await fetch(address, {
      method: method.toUpperCase(),
      headers: sent,
      body: operation.requestBody ? JSON.stringify(body ?? {}) : undefined,
    });
    const answer = response.status === 204 ? null : await response.json();
    if (!operation.responses[response.status]) throw new Error(`${id}: ${response.status} is not in the schema`);
    if (!response.ok) throw new Error(`${id}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  };
}
