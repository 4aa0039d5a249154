/** Where a relay takes in hosts that no UDP packet reaches. */
export const tlsRelay = `
ALTER TABLE host ADD COLUMN tls_port INTEGER CHECK (tls_port BETWEEN 1 AND 65535);
`;
