/** Which tables are there, whoever made them. */
import { sql } from 'kysely';
import type { Database } from './database.js';

/** Of the schema that is in use; PostgreSQL tells of all. */
export async function columnsOf({ kind, tables }: Database): Promise<Map<string, Set<string>>> {
  const found = await tables.introspection.getTables();
  const schema = kind === 'postgres' ? await currentSchema({ kind, tables }) : undefined;
  return new Map(
    found
      .filter((table) => schema === undefined || table.schema === schema)
      .map(({ name, columns }) => [name, new Set(columns.map((column) => column.name))]),
  );
}

async function currentSchema({ tables }: Database): Promise<string | undefined> {
  const { rows } = await sql<{ name: string }>`select current_schema() as name`.execute(tables);
  return rows[0]?.name;
}
