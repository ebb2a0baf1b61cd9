/** A link that drops whatever is sent (ip-link(8), `type dummy`): a place for addresses. No options. */
export type DummyOptions = Record<string, never>;
