# Two images: `server` (the coordination server, with the executables that hosts download) and `agent` (a host in a
# container, see docker-compose.yml). Both may be built on other bases, also ones without a network: what a base has
# already (compilers, WireGuard's tools, npm's cache) is not fetched again.
ARG BASE_IMAGE=node:20-bookworm-slim
ARG AGENT_BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN command -v g++ make python3 strip >/dev/null || \
  (apt-get update && apt-get install -y --no-install-recommends g++ make python3 binutils && rm -rf /var/lib/apt/lists/*)
COPY package.json package-lock.json ./
# Node's headers are part of its images, so that better-sqlite3 compiles without fetching them. Not `npm ci`: it refuses
# a lock file without oxlint's builds for other systems, which not every registry carries.
RUN export npm_config_nodedir="$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" && \
  npm install --no-save --ignore-scripts --prefer-offline --no-audit --no-fund && npm rebuild better-sqlite3 esbuild
COPY . .
RUN npm run build && npm run build:agent && cp out/dist/warren-linux-$(uname -m) /warren && \
  npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${BASE_IMAGE} AS server
WORKDIR /opt/warren
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY --from=build /src/out/dist out/dist
COPY agent/install/install.sh agent/install/warren-agent.service agent/install/
RUN printf '#!/bin/sh\nexec node /opt/warren/dist/cli/warren.js "$@"\n' >/usr/local/bin/warren && \
  chmod 755 /usr/local/bin/warren && \
  install -d -o 10001 -g 10001 -m 0700 /var/lib/warren-server && \
  install -d -o 10001 -g 10001 -m 0755 /run/warren-token
USER 10001:10001
ENV NODE_ENV=production \
  WARREN_STATE=/var/lib/warren-server \
  WARREN_LISTEN=0.0.0.0:8443
EXPOSE 8443/tcp 8443/udp
VOLUME /var/lib/warren-server
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=6 \
  CMD ["env", "NODE_EXTRA_CA_CERTS=/var/lib/warren-server/ca.crt", "node", "-e", \
  "fetch('https://localhost:8443/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["warren"]
CMD ["server"]

FROM ${AGENT_BASE_IMAGE} AS agent
COPY agent/install/install.sh /usr/local/lib/warren/install.sh
RUN sh /usr/local/lib/warren/install.sh --packages && rm -rf /var/lib/apt/lists/*
COPY agent/install/container.sh /usr/local/lib/warren/container.sh
COPY --from=build /warren /usr/local/bin/warren
VOLUME /var/lib/warren
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=6 CMD ["warren", "status", "--check", "live"]
ENTRYPOINT ["sh", "/usr/local/lib/warren/container.sh"]
