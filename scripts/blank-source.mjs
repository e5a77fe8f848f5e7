// Blanks the parts of a TypeScript text that are not code, keeping every offset and line break in place.
// It is no parser: it only has to see where comments, strings, templates and regular expressions begin and end.

const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//.source;
const string = /'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"/.source;
// A slash begins a regular expression only where no value can have ended before it.
const regex =
  /(?<=(?:^|[=(,:;!&|?{}[+~>\n]|\breturn|\btypeof)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[dgimsuvy]*/
    .source;
const token = new RegExp(`(${comment})|(${string})|(${regex})|(\`)|([{}])`, 'g');

const spaces = (text) => text.replace(/[^\n]/g, ' ');

/** The text with its comments blanked. */
export const blankComments = (text) => blank(text, { literals: false });

/** The text with comments, strings, regular expressions and the fixed parts of templates blanked. */
export const blankLiterals = (text) => blank(text, { literals: true });

function blank(text, { literals }) {
  const output = [];
  // Brace depth inside each template substitution that is open; a template can nest in a substitution.
  const open = [];
  const scan = new RegExp(token);
  let end = 0;
  const keep = (to) => output.push(text.slice(end, to));
  const replace = (to, hide) => {
    output.push(hide ? spaces(text.slice(end, to)) : text.slice(end, to));
    end = to;
    scan.lastIndex = to;
  };
  for (let match = scan.exec(text); match; match = scan.exec(text)) {
    const [whole, isComment, , , isTemplate, brace] = match;
    keep(match.index);
    end = match.index;
    if (isTemplate) replace(templatePartEnd(text, end + 1, open), literals);
    else if (!brace) replace(end + whole.length, literals || isComment !== undefined);
    else if (brace === '}' && open.at(-1) === 0) {
      open.pop();
      replace(templatePartEnd(text, end + 1, open), literals);
    } else {
      if (open.length > 0) open[open.length - 1] += brace === '{' ? 1 : -1;
      replace(end + 1, false);
    }
  }
  keep(text.length);
  return output.join('');
}

// Ends behind the closing backtick, or behind the `${` of a substitution, which is then open.
function templatePartEnd(text, from, open) {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '`') return at + 1;
    else if (text.startsWith('${', at)) {
      open.push(0);
      return at + 2;
    }
  }
  return text.length;
}
