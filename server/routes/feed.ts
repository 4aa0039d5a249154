/** The revision feed over HTTP: hands the open response to the feed and tells it when the other side left. */
import { openFeed } from '../../shared/api/feed.ts';
import { parseCursor } from '../../shared/protocol.ts';
import { type Route, hostOf, stream } from '../http/handler.ts';

const open = stream(openFeed, (ctx, socket) => {
  const { id: hostId, certificateExpiresAt: endsAt } = hostOf(ctx);
  const session = ctx.deps.feed.attach({ hostId, endsAt, cursor: parseCursor(ctx.lastEventId), sink: socket });
  socket.onClose(() => session.close());
});

export const feedRoutes: Route[] = [open];
