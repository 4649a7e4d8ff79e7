import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from '@/api/client';
import { router } from '@/app/router';
import './app/style.css';

const cache = new QueryClient({
  defaultOptions: {
    // The daemon is on this machine; being off the internet means nothing.
    mutations: { networkMode: 'always' },
    queries: {
      networkMode: 'always',
      // Events say when something is stale; polling would only hide a broken stream.
      staleTime: Number.POSITIVE_INFINITY,
      refetchOnWindowFocus: false,
      // A refusal stays a refusal; a daemon that is starting deserves a second try.
      retry: (count, fault) => fault instanceof ApiError && fault.status === 0 && count < 3,
    },
  },
});

const place = document.getElementById('root');
if (!place) throw new Error('index.html has no #root');
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={cache}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
