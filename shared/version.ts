/** The version of this build, for server, agent and command line; a test holds it equal to package.json. */
export const version = '0.1.0';
