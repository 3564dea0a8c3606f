import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { bookRoutes } from "./books/routes.ts";
import { coverRoutes } from "./covers/routes.ts";
import type { Environment, ShopContext } from "./environment.ts";
import { problemPage } from "./pages/problem-page.ts";
import { pageRoutes } from "./pages/routes.ts";
import { Problem } from "./problem.ts";
import { ratingRoutes } from "./ratings/routes.ts";
import { recommendationRoutes } from "./recommendations/routes.ts";

/** The largest form is a cover's: 1 MB and what multipart puts around it. */
const maximumFormBytes = 1024 * 1024 + 16 * 1024;

/** The shop, for any tenant: whose it is comes with each request. */
export const shop = new Hono<Environment>();

const limitForms = bodyLimit({
  maxSize: maximumFormBytes,
  onError: () => {
    throw new Problem(413, "BODY_TOO_LARGE", "A cover must not be larger than 1 MB.");
  },
});

const protectPages = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
  crossOriginResourcePolicy: false,
  // Whether the host is reached over HTTPS alone is for the platform to say.
  strictTransportSecurity: false,
});

shop.route("/api/books", bookRoutes);
shop.route("/api/books", ratingRoutes);
shop.route("/api/books", coverRoutes);
shop.route("/api/recommendations", recommendationRoutes);
shop.use("/", protectPages);
shop.use("/books/*", protectPages, limitForms);
shop.use("/books", limitForms);
shop.use("/reader", limitForms);
shop.route("/", pageRoutes);

shop.notFound((context) =>
  answerProblem(context, new Problem(404, "NOT_FOUND", "There is nothing at this address.")),
);

shop.onError((error, context) => {
  if (error instanceof Problem) return answerProblem(context, error);
  // Left to the platform, which logs it and answers without telling what is inside.
  throw error;
});

function answerProblem(context: ShopContext, problem: Problem): Response | Promise<Response> {
  const isPage = !context.req.path.startsWith("/api/") && context.req.header("accept")?.includes("text/html");
  return isPage ? context.html(problemPage(context, problem), problem.status) : problem.toResponse();
}
