// Shows a page of ours when there is no network. Keeps that page, fonts and icons, and nothing that is about a person.
const CACHE = "kabinet-1"
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

self.addEventListener("fetch", event => {
  if (event.request.mode !== "navigate") return
  event.respondWith(fetch(event.request).catch(() => caches.match("/offline")))
})
