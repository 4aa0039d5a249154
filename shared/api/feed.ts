/** The revision feed; its frames are in `../protocol.ts`. */
import { operation } from './route.ts';

/** Answers server-sent events. `Last-Event-ID` carries the agent's cursor. */
export const openFeed = operation({
  id: 'agent.feed',
  method: 'GET',
  path: '/agent/v1/feed',
  access: 'agent',
  summary: 'Stream the network map and its changes as server-sent events',
});
