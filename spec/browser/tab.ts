/** A tab with the demo page, as a person sees it. */
import type { BrowserContext, Page } from 'playwright-core';
import { until } from '../support/until.js';

declare global {
  interface Window {
    /** Every list that the page has shown, in their order. */
    shown?: string[][];
  }
}

export class Tab {
  private constructor(readonly page: Page) {}

  /** Opens the page in the context, and joins the room under a name. */
  static async join(context: BrowserContext, url: string, room: string, name: string): Promise<Tab> {
    const tab = new Tab(await context.newPage());
    await tab.page.addInitScript(recordLists);
    await tab.page.goto(`${url}/#${room}`);
    await tab.page.fill('#name', name);
    await tab.page.click('text=Join the room');
    await tab.sees(name);
    return tab;
  }

  /** The names in the list, from top to bottom. */
  list(): Promise<string[]> {
    return this.page.locator('#users .name').allTextContents();
  }

  async shown(): Promise<string[][]> {
    return this.page.evaluate(() => window.shown ?? []);
  }

  async sees(name: string): Promise<void> {
    await until(async () => (await this.list()).includes(name), `${name} to be listed`);
  }

  async misses(name: string): Promise<void> {
    await until(async () => !(await this.list()).includes(name), `${name} to be gone`);
  }

  /** As where another tab is in front: Chromium without a screen shows every tab. */
  async turn(state: 'hidden' | 'visible'): Promise<void> {
    await this.page.evaluate((value) => {
      Object.defineProperty(document, 'visibilityState', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  }

  /** Closes it as a person does: with `beforeunload`. */
  async close(): Promise<void> {
    const closed = this.page.waitForEvent('close');
    await this.page.close({ runBeforeUnload: true });
    await closed;
  }
}

/** Runs in the page. */
function recordLists(): void {
  window.shown = [];
  addEventListener('DOMContentLoaded', () => {
    const users = document.getElementById('users');
    if (!users) return;
    new MutationObserver(() => {
      const names = Array.from(users.querySelectorAll('.name'), ({ textContent }) => textContent ?? '');
      window.shown?.push(names);
    }).observe(users, { childList: true });
  });
}
