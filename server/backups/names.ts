/** Names of scheduled backups, and which of them are kept. Pure. */
export interface ScheduledBackup {
  readonly name: string;
  /** When it was begun, ms. */
  readonly at: number;
}

const pattern = /^warren-(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z\.(?:db|sealed)$/;

export function backupName(at: number, isSealed: boolean): string {
  const second = new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
  return `warren-${second.replace(/[-:]/g, '')}.${isSealed ? 'sealed' : 'db'}`;
}

/** Those of a directory's names that the schedule made, oldest first. */
export function scheduledBackups(names: readonly string[]): ScheduledBackup[] {
  return names
    .flatMap((name) => {
      const match = pattern.exec(name);
      if (match === null) return [];
      const [, year, month, day, hour, minute, second] = match.map(Number);
      const at = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
      return [{ name, at }];
    })
    .sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1));
}

/** What a backup that was under way when its server died left behind. */
export function abandonedDrafts(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith('.partial') && pattern.test(name.slice(0, -'.partial'.length)));
}

/**
 * What goes once `written` is there: all but the newest. What was just written always stays, also when the clock was set
 * back and older ones seem to come after it.
 */
export function surplusBackups(names: readonly string[], written: string, keep: number): string[] {
  const others = scheduledBackups(names).filter(({ name }) => name !== written);
  return others.slice(0, Math.max(0, others.length - (keep - 1))).map(({ name }) => name);
}
