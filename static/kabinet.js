// Beside Streamlit's front end: installs the service worker, and says in the reader's language what the front end
// has in English only. Reads and writes no data of a person.
(() => {
  "use strict"

  // The portal is always at the root. Told so, the front end need not try a deep link's own path first, and fail there.
  // This script runs before the front end, which is a module further down the page.
  window.__streamlit = { ...window.__streamlit, BACKEND_BASE_URL: window.location.origin }

  if ("serviceWorker" in navigator && window.isSecureContext) {
    window.addEventListener("load", () => navigator.serviceWorker.register("/sw.js").catch(() => {}))
  }

  const RUSSIAN = {
    "Press Enter to submit form": "Enter — отправить",
    "Press Enter to apply": "Enter — применить",
    "Press Ctrl+Enter to apply": "Ctrl+Enter — применить",
    "Choose an option": "Выберите",
    "Choose options": "Выберите",
    "No results": "Ничего не нашлось",
    "No options to select": "Выбирать не из чего",
    "No options to select.": "Выбирать не из чего",
    "Select all": "Выбрать все",
    "Close": "Закрыть",
    "Clear all": "Очистить",
    "Clear value": "Очистить",
    "Clear": "Очистить",
    "Open": "Открыть",
    "Search": "Найти",
    "Type to search": "Найти",
    "Download as CSV": "Скачать CSV",
    "Show/hide columns": "Столбцы",
    "Fullscreen": "На весь экран",
    "Close fullscreen": "Свернуть",
    "Exit fullscreen": "Свернуть",
    "Show password": "Показать пароль",
    "Hide password": "Скрыть пароль",
    "Show password text": "Показать пароль",
    "Hide password text": "Скрыть пароль",
    "Sort ascending": "По возрастанию",
    "Sort descending": "По убыванию",
    "Pin column": "Закрепить столбец",
    "Unpin column": "Открепить столбец",
    "Hide column": "Скрыть столбец",
    "Autosize": "По ширине текста",
    "Format": "Формат",
    "empty": "пусто",
    "Connecting": "Подключаемся",
    "Connecting...": "Подключаемся…",
    "CONNECTING": "Подключаемся",
    "Running...": "Загружаем…",
    "RUNNING...": "Загружаем…",
    "Stop": "Остановить",
    "Connection error": "Нет связи",
    "Copy to clipboard": "Скопировать",
    "Copied": "Скопировано",
    "Previous page": "Предыдущая страница",
    "Next page": "Следующая страница",
    "View more": "Ещё",
    "View less": "Свернуть",
    "Required": "Обязательно",
    "This field is required": "Заполните это поле",
    "Select...": "Выберите",
    "No data": "Нет данных",
    "Clear selection": "Снять выделение",
    "Copy column name": "Скопировать название",
    "Statistics": "Сводка",
    "Main menu": "Меню",
    "App pages": "Разделы",
    "Skip to main content": "К содержанию",
    "Collapse sidebar": "Свернуть панель",
    "Expand sidebar": "Развернуть панель",
    "Link to heading": "Ссылка на заголовок",
    "Notifications": "Уведомления",
    "Increment": "Больше",
    "Decrement": "Меньше",
    "Calendar": "Календарь",
    "Choose date": "Выбрать дату",
    "Choose date range": "Выбрать период",
    "Quick select a date range": "Выбрать готовый период",
    "Past Week": "Неделя",
    "Past Month": "Месяц",
    "Past 3 Months": "3 месяца",
    "Past 6 Months": "Полгода",
    "Past Year": "Год",
    "Past 2 Years": "2 года",
    "Show data": "Показать данные",
    "Show chart": "Показать график",
    "Download as PNG": "Скачать картинку",
    "Download plot as a PNG": "Скачать картинку",
    "Try again": "Попробовать снова",
    "Cancel": "Отмена",
    "An error has occurred, please try again.": "Не получилось. Попробуйте ещё раз.",
    "The portal does not answer. Are you connected to the internet?": "Кабинет не отвечает. Проверьте подключение к интернету.",
    "Connection timed out.": "Кабинет не отвечает. Проверьте подключение к интернету.",
  }
  // Back again, after the language was changed on an open page. What names Streamlit is said otherwise in either language.
  const ENGLISH = Object.fromEntries(Object.entries(RUSSIAN).map(([english, russian]) => [russian, english]))
  const NOT_ANSWERING = "The portal does not answer. Are you connected to the internet?"
  for (const said of [
    "Streamlit server is not responding. Are you connected to the internet?",
    "Is Streamlit still running? If you accidentally stopped Streamlit, just restart it in your terminal:",
  ]) {
    ENGLISH[said] = NOT_ANSWERING
    RUSSIAN[said] = RUSSIAN[NOT_ANSWERING]
  }
  const ATTRIBUTES = ["aria-label", "title", "placeholder", "alt"]

  const table = () => (document.documentElement.lang === "ru" ? RUSSIAN : ENGLISH)

  function sayText(node, words) {
    const said = node.nodeValue.trim()
    if (said in words) node.nodeValue = node.nodeValue.replace(said, words[said])
  }

  function sayAttributes(element, words) {
    for (const name of ATTRIBUTES) {
      const said = element.getAttribute(name)
      if (said !== null && said in words) element.setAttribute(name, words[said])
    }
  }

  // A person's own text is never in the table by accident: only whole strings match, and only inside Streamlit's controls.
  const OURS = "[data-testid=stMarkdownContainer]"

  function say(root) {
    const words = table()
    if (root.nodeType === Node.TEXT_NODE) {
      if (!root.parentElement?.closest(OURS)) sayText(root, words)
      return
    }
    if (root.nodeType !== Node.ELEMENT_NODE) return
    sayAttributes(root, words)
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const node = walker.currentNode
      if (node.nodeType === Node.TEXT_NODE) {
        if (!node.parentElement?.closest(OURS)) sayText(node, words)
      } else {
        sayAttributes(node, words)
      }
    }
  }

  const waiting = new Set()
  function soon(node) {
    if (waiting.size === 0) requestAnimationFrame(() => { const nodes = [...waiting]; waiting.clear(); nodes.forEach(say) })
    waiting.add(node)
  }

  new MutationObserver(changes => {
    for (const change of changes) {
      if (change.type === "childList") change.addedNodes.forEach(soon)
      else soon(change.target)
    }
  }).observe(document.documentElement, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES,
  })

  window.addEventListener("kabinet:language", event => {
    document.documentElement.lang = event.detail
    say(document.body)
  })
})()
