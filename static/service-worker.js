// Shows a page of ours when there is no network. Keeps that page with its fonts and icon, and nothing that is about a person.
const CACHE = "kabinet-VERSION" // the route puts a digest of what is kept in place of the last word
const KEPT = ["/offline", "/app/static/icons/icon-192.png", "/app/static/fonts/onest-cyrillic.woff2", "/app/static/fonts/onest-latin.woff2"]

self.addEventListener("install", event => {
  event.waitUntil(caches.open(CACHE).then(cache => cache.addAll(KEPT)).then(() => self.skipWaiting()))
})

self.addEventListener("activate", event => {
  event.waitUntil(
    caches.keys()
      .then(names => Promise.all(names.filter(name => name !== CACHE).map(name => caches.delete(name))))
      .then(() => self.clients.claim())
  )
})

// The network always comes first. Without it, a page becomes the offline page, and that page finds its fonts and icon.
self.addEventListener("fetch", event => {
  const { request } = event
  // Back at the bank after a payment a browser may refuse to send a form again: that is no lack of a network.
  if (request.mode === "navigate" && new URL(request.url).pathname.startsWith("/bank/")) return
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => caches.match("/offline")))
  } else if (request.method === "GET" && KEPT.includes(new URL(request.url).pathname)) {
    event.respondWith(fetch(request).catch(async () => (await caches.match(request)) ?? Response.error()))
  }
})
