import { servers } from '/work/main/spec/records/server.js';
import { connect } from '/work/main/src/records/database.js';
import { migrate } from '/work/main/src/records/migrate.js';
import { Writer } from '/work/main/src/records/writer.js';
import { Entries } from '/work/main/spec/records/entries.js';
for (const [name, kind] of Object.entries(servers)) {
  const server = await kind.start();
  const db = await connect(await server.database());
  await migrate(db);
  const w = new Writer(db, { node: 'n', hashClientIds: false });
  for (const size of [100, 500, 2000]) {
    const e = new Entries(`e${size}`); const all = []; const T = Date.now();
    for (let i = 0; i < 10000; i++) { const u = i % 3000, ch = `/c/${i % 50}`; all.push(e.in(u, `${size}c${i}`, ch, T + i)); if (i >= 2000) all.push(e.out((i-2000)%3000, `${size}c${i-2000}`, `/c/${(i-2000)%50}`, T + i)); }
    const t = performance.now();
    for (let s = 0; s < all.length; s += size) await w.write(all.slice(s, s + size));
    console.log(name, size, Math.round(all.length / (performance.now() - t) * 1000), 'entries/s');
  }
  await db.close(); await server.dispose();
}
